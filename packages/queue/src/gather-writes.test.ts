import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gatherWrites } from './gather-writes.ts';
import { startTestRedis, type TestRedis } from './testing.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server?.stop());

/** How often something is handed to the kernel meanwhile: once for what the stream sends alone, and for what it has gathered. */
async function countSends({ stream }: Redis, work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  for (const name of ['_write', '_writev'] as const) {
    const send = stream[name]?.bind(stream) as (...args: unknown[]) => void;
    Object.assign(stream, {
      [name](...args: unknown[]) {
        count += 1;
        send(...args);
      },
    });
  }
  await work();
  return count;
}

async function withRedis(isGathering: boolean, work: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(server.url);
  if (isGathering) gatherWrites(redis);
  await once(redis, 'ready');
  await work(redis).finally(() => redis.disconnect());
}

async function pushFifty(redis: Redis): Promise<void> {
  await redis.del('list');
  const lengths = await Promise.all(Array.from({ length: 50 }, (_, n) => redis.rpush('list', n)));
  expect(lengths).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
}

it('sends the commands of one turn at once and in their order, also after a reconnect', async () => {
  await withRedis(false, async (redis) => expect(await countSends(redis, () => pushFifty(redis))).toBe(51));
  await withRedis(true, async (redis) => {
    expect(await countSends(redis, () => pushFifty(redis))).toBe(2);
    redis.disconnect(true);
    await once(redis, 'ready');
    expect(await countSends(redis, () => pushFifty(redis))).toBe(2);
  });
});
