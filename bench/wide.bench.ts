/**
 * How a wide body is spread: one run with a `foreach` over 200 calls, not spread, with one worker process and with two. `npm run bench -- wide`;
 * takes half a minute. See bench/README.md for what the figures mean.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, publish, signUp } from './client.ts';
import { measureParts, type Usage } from './process-usage.ts';
import { startSecondWorker } from './program-beside.ts';
import { type Stack, startStack } from './stack.ts';
import { printTable, spread } from './table.ts';

const RUNS = Number(process.env.BENCH_RUNS ?? 20);
const ROUNDS = 2;
const ITEMS = 200;
const CONCURRENCY = 60;
const CALL_MS = 50;

const echo = createServer((_request, response) => {
  setTimeout(() => response.end('{}'), CALL_MS);
});
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
const { port } = echo.address() as AddressInfo;
const stack = await startStack({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
try {
  await bench(stack);
} finally {
  await stack.stop();
  echo.close();
}

interface Figures {
  ms: number[];
  /** CPU milliseconds a run, by part of the platform. */
  cpu: Map<string, number[]>;
}

async function bench(stack: Stack): Promise<void> {
  const client = await signUp(stack.apiUrl);
  const spreadPath = await publish(client, 'spread', wide({}));
  // A credential keeps calls where the run is.
  const keptPath = await publish(client, 'kept', wide({ authorization: '{% "Bearer " & "none" %}' }));
  const [kept, one, two] = [newFigures(), newFigures(), newFigures()];
  for (const path of [keptPath, spreadPath]) await measure(stack, client, path, newFigures());
  for (let round = 0; round < ROUNDS; round += 1) {
    await measure(stack, client, keptPath, kept);
    await measure(stack, client, spreadPath, one);
    const second = await startSecondWorker(stack);
    await measure(stack, client, spreadPath, two, [{ name: 'second Worker', pid: second.pid }]);
    await second.stop();
  }
  console.log(`\nMedian (lowest to highest), of ${ROUNDS * RUNS} runs and of ${ROUNDS} rounds.`);
  const row = (name: string, pick: (figures: Figures) => number[] | undefined) => [
    name,
    ...[kept, one, two].map((figures) => spread(pick(figures) ?? [])),
  ];
  printTable([
    ['', 'not spread', 'one worker', 'two workers'],
    row('start to end, ms', ({ ms }) => ms),
    ...[...two.cpu.keys()].map((name) => row(`CPU ${name}, ms a run`, ({ cpu }) => cpu.get(name) ?? [0])),
  ]);
}

function newFigures(): Figures {
  return { ms: [], cpu: new Map() };
}

function wide(headers: object): object {
  const url = `http://127.0.0.1:${port}/`;
  const call = { id: 'call', type: 'http.request', config: { method: 'POST', url, headers } };
  const body = { nodes: [call], output: '{% $itemIndex %}' };
  const config = { items: `{% [1..${ITEMS}] %}`, concurrency: CONCURRENCY, body };
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [{ id: 'each', type: 'foreach', config }] };
}

async function measure(
  stack: Stack,
  client: Client,
  path: string,
  figures: Figures,
  others: { name: string; pid: number }[] = [],
): Promise<void> {
  const before = measureParts(others);
  for (let run = 0; run < RUNS; run += 1) figures.ms.push(await timeRun(stack, client, path));
  for (const { name, cpuMs } of measureParts(others)) {
    const from = before.find((part: Usage) => part.name === name)?.cpuMs ?? 0;
    figures.cpu.set(name, [...(figures.cpu.get(name) ?? []), (cpuMs - from) / RUNS]);
  }
}

/** Milliseconds from start to end, by the database's clock. */
async function timeRun(stack: Stack, client: Client, path: string): Promise<number> {
  const { run } = await client.call('POST', path, {});
  for (;;) {
    const { rows } = await stack.admin.query<{ status: string; ms: number }>(
      `SELECT status, extract(epoch FROM finished_at - started_at)::float8 * 1000 AS ms
       FROM app.workflow_runs WHERE id = $1 AND finished_at IS NOT NULL`,
      [run?.id],
    );
    if (rows[0]?.status === 'succeeded') return rows[0].ms;
    if (rows[0] !== undefined) throw new Error(`the run has ${rows[0].status}`);
    await pause(50);
  }
}
