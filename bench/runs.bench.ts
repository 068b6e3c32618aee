/**
 * Completed runs per second of one API and one worker process, beside what raw BullMQ does in the same minute.
 * `npm run bench -- runs`; takes about two minutes. See bench/README.md for what the figures mean.
 */
import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import { measureBullmq } from './bullmq-limit.ts';
import { type Client, publish, signUp } from './client.ts';
import { measureParts, type Usage } from './process-usage.ts';
import { type Stack, startStack } from './stack.ts';
import { spread } from './table.ts';
import { aggregateWorkflow, plainWorkflow, runInput } from './workflows.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const WARM_UP_SECONDS = 3;
const CONNECTIONS = 50;
const QUIET_RATE = 5;
const DRAIN_DEADLINE_MS = 120_000;

interface Figures {
  completedPerSecond: number;
  acceptedPerSecond: number;
  createP50Ms: number;
  createP99Ms: number;
  cpuMsPerRun: Record<string, number>;
}

const stack = await startStack();
try {
  await bench(stack);
} finally {
  await stack.stop();
}

async function bench(stack: Stack): Promise<void> {
  const client = await signUp(stack.apiUrl);
  const idle = measureParts();
  const plain = await publish(client, 'three plain steps', plainWorkflow);
  const aggregate = await publish(client, 'three steps, one aggregate', aggregateWorkflow);
  await load(stack, client, plain, { duration: WARM_UP_SECONDS, connections: CONNECTIONS });
  await drained(stack);
  const rows: Record<string, Figures[]> = { plain: [], aggregate: [] };
  const bullmq: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bullmq.push(await measureBullmq(stack.redisUrl));
    rows.plain?.push(await measureLoad(stack, client, plain));
    rows.aggregate?.push(await measureLoad(stack, client, aggregate));
  }
  const quiet = await load(stack, client, plain, { duration: SECONDS, connections: 1, overallRate: QUIET_RATE });
  console.log(`\nMedian of ${ROUNDS} rounds (lowest to highest), ${SECONDS} s at ${CONNECTIONS} connections each.`);
  console.log(`BullMQ no-op jobs drained, concurrency 50:  ${spread(bullmq)} /s`);
  for (const [name, figures] of Object.entries(rows)) printRow(name, figures);
  console.log(`create reply at ${QUIET_RATE}/s:  p50 ${quiet.latency.p50} ms, p99 ${quiet.latency.p99} ms`);
  printMemory(idle, measureParts());
}

/** Saturates the API, lets the backlog drain, and counts what the database saw. */
async function measureLoad(stack: Stack, client: Client, path: string): Promise<Figures> {
  const from = new Date();
  const before = measureParts();
  const result = await load(stack, client, path, { duration: SECONDS, connections: CONNECTIONS });
  await drained(stack);
  const after = measureParts();
  const { rows } = await stack.admin.query<{ runs: number; seconds: number; failed: number }>(
    `SELECT count(*)::int AS runs, count(*) FILTER (WHERE status <> 'succeeded')::int AS failed,
       extract(epoch FROM max(finished_at) - min(created_at))::float8 AS seconds
     FROM app.workflow_runs WHERE created_at >= $1`,
    [from],
  );
  const { runs = 0, seconds = 1, failed = 0 } = rows[0] ?? {};
  if (failed > 0 || result.non2xx > 0) throw new Error(`${failed} runs failed, ${result.non2xx} requests were refused`);
  const cpu = after.map(({ name, cpuMs }) => [name, (cpuMs - cpuOf(before, name)) / runs] as const);
  return {
    completedPerSecond: runs / seconds,
    acceptedPerSecond: result.requests.average,
    createP50Ms: result.latency.p50,
    createP99Ms: result.latency.p99,
    cpuMsPerRun: Object.fromEntries(cpu),
  };
}

function load(stack: Stack, client: Client, path: string, options: Partial<autocannon.Options>) {
  return autocannon({
    url: `${stack.apiUrl}${client.orgPath}${path}`,
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: runInput }),
    ...options,
  });
}

async function drained(stack: Stack): Promise<void> {
  for (const deadline = Date.now() + DRAIN_DEADLINE_MS; Date.now() < deadline; await delay(100)) {
    const { rows } = await stack.admin.query(
      `SELECT FROM app.workflow_runs WHERE status IN ('queued', 'running', 'waiting') LIMIT 1`,
    );
    if (rows.length === 0) return;
  }
  throw new Error('the backlog did not drain');
}

function cpuOf(parts: Usage[], name: string): number {
  return parts.find((part) => part.name === name)?.cpuMs ?? 0;
}

function printRow(name: string, figures: Figures[]): void {
  const of = (pick: (figure: Figures) => number) => spread(figures.map(pick));
  console.log(`${name}:`);
  console.log(`  completed  ${of((f) => f.completedPerSecond)} /s`);
  console.log(`  accepted   ${of((f) => f.acceptedPerSecond)} /s`);
  console.log(`  create     p50 ${of((f) => f.createP50Ms)} ms, p99 ${of((f) => f.createP99Ms)} ms`);
  const parts = Object.keys(figures[0]?.cpuMsPerRun ?? {});
  for (const part of parts) console.log(`  CPU ${part.padEnd(12)} ${of((f) => f.cpuMsPerRun[part] ?? 0)} ms a run`);
  console.log(`  CPU all          ${of((f) => Object.values(f.cpuMsPerRun).reduce((a, b) => a + b, 0))} ms a run`);
}

function printMemory(idle: Usage[], loaded: Usage[]): void {
  for (const { name, rssMib } of loaded) {
    const before = idle.find((part) => part.name === name)?.rssMib ?? 0;
    console.log(`memory ${name.padEnd(12)} ${before.toFixed(0)} MiB idle, ${rssMib.toFixed(0)} MiB after load`);
  }
}
