import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import autocannon from 'autocannon';
import { send } from './client.ts';
import { measureParts } from './process-usage.ts';
import type { Stack } from './stack.ts';
import { median, printTable, spread } from './table.ts';

/** Short rounds that take turns: what else goes on at the machine then falls on all sides alike. */
const ROUND_SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 11);
const CONNECTIONS = 50;

export interface ReadTarget {
  path: string;
  tokenHeaders: Record<string, string>;
  keyHeaders: Record<string, string>;
}

interface Side {
  name: string;
  /** The part whose process answers. */
  part: 'API' | 'bare route';
  url: string;
  headers: Record<string, string>;
}

interface Round {
  perSecond: number;
  p99Ms: number;
  serverCpuMs: number;
  databaseCpuMs: number;
}

/** Requests a second of one connection pool against a bare route, the API with a token and the API with a key, in turn. */
export async function compareReads(stack: Stack, target: ReadTarget): Promise<void> {
  const child = fork(join(import.meta.dirname, 'bare-route.ts'), [stack.databaseUrl]);
  try {
    const [bareUrl] = (await once(child, 'message')) as [string];
    await assertSameAnswer(stack, bareUrl, target);
    const sides: Side[] = [
      { name: 'bare route', part: 'bare route', url: bareUrl, headers: {} },
      { name: 'access token', part: 'API', url: stack.apiUrl, headers: target.tokenHeaders },
      { name: 'API key', part: 'API', url: stack.apiUrl, headers: target.keyHeaders },
    ];
    const rounds = new Map(sides.map((side) => [side, [] as Round[]]));
    for (const side of sides) await measureRound(side, target.path, child); // warm-up
    for (let round = 0; round < ROUNDS; round++)
      for (const side of sides) rounds.get(side)?.push(await measureRound(side, target.path, child));
    printComparison(rounds);
  } finally {
    child.kill('SIGKILL');
  }
}

async function assertSameAnswer(stack: Stack, bareUrl: string, { path, tokenHeaders, keyHeaders }: ReadTarget) {
  const bare = await send(bareUrl, {}, 'GET', path);
  for (const headers of [tokenHeaders, keyHeaders])
    if (!isDeepStrictEqual(bare, await send(stack.apiUrl, headers, 'GET', path)))
      throw new Error('the bare route and the API answer differently');
}

async function measureRound(side: Side, path: string, child: ChildProcess): Promise<Round> {
  const bare = { name: 'bare route', pid: child.pid ?? 0 };
  const before = measureParts([bare]);
  const url = side.url + path;
  const result = await autocannon({ url, headers: side.headers, connections: CONNECTIONS, duration: ROUND_SECONDS });
  const after = measureParts([bare]);
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${side.name}: ${result.non2xx} requests were refused`);
  const cpuOf = (part: string) => {
    const [from = 0, to = 0] = [before, after].map((parts) => parts.find(({ name }) => name === part)?.cpuMs);
    return (to - from) / result.requests.total;
  };
  return {
    perSecond: result.requests.total / result.duration,
    p99Ms: result.latency.p99,
    serverCpuMs: cpuOf(side.part),
    databaseCpuMs: cpuOf('PostgreSQL'),
  };
}

function printComparison(rounds: Map<Side, Round[]>): void {
  const sides = [...rounds.entries()];
  const [, bare = []] = sides[0] ?? [];
  console.log(
    `\nReading a run with three steps, ${CONNECTIONS} connections, median of ${ROUNDS} rounds (lowest to highest)`,
  );
  const rows = sides.map(([{ name }, measured]) => {
    const of = (pick: (round: Round) => number) => spread(measured.map(pick));
    const shares = measured.map((round, index) => round.perSecond / (bare[index]?.perSecond ?? 1));
    return [
      name,
      of((round) => round.perSecond),
      of((round) => round.p99Ms),
      of((round) => round.serverCpuMs * 1000),
      of((round) => round.databaseCpuMs * 1000),
      `${(100 * median(shares)).toFixed(0)} %`,
    ];
  });
  printTable([['', 'requests/s', 'p99 ms', 'CPU server us', 'CPU PostgreSQL us', 'of the bare route'], ...rows]);
}
