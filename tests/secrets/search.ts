import { Redis } from 'ioredis';
import pg from 'pg';

/** Something searched: where it is, and all that is there as text. */
export interface Place {
  name: string;
  text: string;
}

export interface Canary {
  name: string;
  value: string;
}

export interface Hit {
  canary: string;
  place: string;
  as: string;
}

/** Every canary in every place, in each way a program may have written it down. */
export function findCanaries(canaries: readonly Canary[], places: readonly Place[]): Hit[] {
  const needles = canaries.flatMap(({ name, value }) => formsOf(value).map((form) => ({ canary: name, ...form })));
  return places.flatMap(({ name, text }) => {
    const folded = text.toLowerCase();
    return needles
      .filter(({ as, needle }) => (as === 'hex' ? folded : text).includes(needle))
      .map(({ canary, as }) => ({ canary, place: name, as }));
  });
}

/** As it is, percent-encoded, inside JSON, as hex, and as base64 wherever in a longer text it may begin. */
function formsOf(value: string): { as: string; needle: string }[] {
  const bytes = Buffer.from(value);
  const forms = [
    { as: 'text', needle: value },
    { as: 'percent-encoded', needle: encodeURIComponent(value) },
    { as: 'json', needle: JSON.stringify(value).slice(1, -1) },
    { as: 'json in json', needle: JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1) },
    { as: 'hex', needle: bytes.toString('hex') },
    ...[0, 1, 2].flatMap((offset) =>
      (['base64', 'base64url'] as const).map((as) => ({ as, needle: insideBase64(bytes, offset, as) })),
    ),
  ];
  return forms.filter(({ needle }, index) => forms.findIndex((form) => form.needle === needle) === index);
}

/** The characters that stand for these bytes alone, whatever comes before (`offset` bytes, modulo 3) and after them. */
function insideBase64(bytes: Buffer, offset: number, encoding: 'base64' | 'base64url'): string {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString(encoding)
    .replaceAll('=', '');
  const first = offset === 0 ? 0 : offset + 1;
  const isEven = (offset + bytes.length) % 3 === 0;
  return whole.slice(first, isEven ? undefined : -1);
}

/** Every column of every table of ours, read as the superuser. */
export async function readDatabase(url: string): Promise<Place[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema !~ '^pg_' AND table_schema <> 'information_schema' ORDER BY 1`,
    );
    const places: Place[] = [];
    for (const { name } of rows) places.push(...(await readTable(client, name)));
    return places;
  } finally {
    await client.end();
  }
}

async function readTable(client: pg.Client, table: string): Promise<Place[]> {
  const { rows, fields } = await client.query<Record<string, unknown>>(`SELECT * FROM ${table}`);
  return fields.map(({ name }) => ({
    name: `column ${table}.${name}`,
    text: rows.map((row) => toText(row[name])).join('\n'),
  }));
}

/** Bytes as hex and as they are: a text may have been stored as bytes. */
function toText(value: unknown): string {
  if (Buffer.isBuffer(value)) return `${value.toString('hex')}\n${value.toString('latin1')}`;
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Every key of Redis with all that it holds. */
export async function readRedis(url: string): Promise<Place[]> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    const keys = await redis.keys('*');
    return await Promise.all(
      keys.map(async (key) => ({
        name: `Redis key ${key}`,
        text: `${key}\n${JSON.stringify(await readKey(redis, key))}`,
      })),
    );
  } finally {
    redis.disconnect();
  }
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      return null; // expired a moment ago
    default:
      throw new Error(`no way to read the Redis key ${key}`);
  }
}

/** Everything that is sent to Redis from now on, also what is gone again a moment later. */
export async function watchRedis(url: string): Promise<{ place(): Place; stop(): void }> {
  const redis = new Redis(url);
  const monitor = await redis.monitor();
  const commands: string[] = [];
  monitor.on('monitor', (_time: string, args: string[]) => commands.push(args.join(' ')));
  return {
    place: () => ({ name: `${commands.length} Redis commands`, text: commands.join('\n') }),
    stop() {
      monitor.disconnect();
      redis.disconnect();
    },
  };
}
