/**
 * What a run costs with one API and one worker process, each figure beside what it must be, and what raw BullMQ does in the
 * same minutes. `npm run bench -- runs`; takes about four minutes. See bench/README.md for what the figures mean.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { measureBullmq } from './bullmq-limit.ts';
import { type Client, publish, signUp } from './client.ts';
import { type DrainFigures, measureDrain } from './drain.ts';
import { drained, measureQuiet, type QuietFigures, saturate } from './load.ts';
import { memoryOf, watchMemory } from './memory.ts';
import { measureParts, type Usage } from './process-usage.ts';
import { startSecondWorker, timeApiStart } from './program-beside.ts';
import { type Stack, startStack } from './stack.ts';
import { median, spread } from './table.ts';
import { printTargets } from './targets.ts';
import { aggregateWorkflow, mappingWorkflow, plainWorkflow } from './workflows.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const DRAINED_RUNS = Number(process.env.BENCH_DRAINED_RUNS ?? 5_000);
const MAPPED_RUNS = Math.ceil(DRAINED_RUNS / 3);
const WARM_UP_SECONDS = 3;
const CONNECTIONS = 50;
const PROGRAMS = ['API', 'Worker'];
const QUIET = { seconds: 15, perSecond: 5 };
/** What start-up left to collect is gone by then. */
const SETTLE_MS = 5_000;

interface Figures {
  completedPerSecond: number;
  acceptedPerSecond: number;
  createP50Ms: number;
  createP99Ms: number;
  cpuMsPerRun: Record<string, number>;
}

interface Round {
  bullmq: number;
  drain: DrainFigures;
  plain: Figures;
  aggregate: Figures;
}

const stack = await startStack();
try {
  await bench(stack);
} finally {
  await stack.stop();
}

async function bench(stack: Stack): Promise<void> {
  await delay(SETTLE_MS);
  const idle = measureParts();
  const client = await signUp(stack.apiUrl);
  const starts = [await timeApiStart(stack), await timeApiStart(stack), await timeApiStart(stack)];
  const plain = await publish(client, 'three plain steps', plainWorkflow);
  const aggregate = await publish(client, 'three steps, one aggregate', aggregateWorkflow);
  await saturate(stack, client, plain, { duration: WARM_UP_SECONDS, connections: CONNECTIONS });
  await drained(stack);
  const quiet = await measureQuiet(stack, client, plain, QUIET);
  const memory = watchMemory(PROGRAMS);
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++)
    rounds.push({
      bullmq: await measureBullmq(stack.redisUrl),
      drain: await measureDrain(stack, client, plain, { runs: DRAINED_RUNS }),
      plain: await measureLoad(stack, client, plain),
      aggregate: await measureLoad(stack, client, aggregate),
    });
  const peak = memory.stop();
  printRounds(rounds);
  await compareWorkers(stack, client, await publish(client, 'three mappings', mappingWorkflow));
  printMemory(idle, measureParts());
  printSummary({ rounds, quiet, starts, idle, peak });
}

/** Saturates the API, lets the backlog drain, and counts what the database saw. */
async function measureLoad(stack: Stack, client: Client, path: string): Promise<Figures> {
  const from = new Date();
  const before = measureParts();
  const result = await saturate(stack, client, path, { duration: SECONDS, connections: CONNECTIONS });
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

/** By work that is the worker's own. In turns: a machine that gets slower meanwhile slows down both. */
async function compareWorkers(stack: Stack, client: Client, path: string): Promise<void> {
  const one: DrainFigures[] = [];
  const two: DrainFigures[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    one.push(await measureDrain(stack, client, path, { runs: MAPPED_RUNS }));
    const second = await startSecondWorker(stack);
    const others = [{ name: 'second worker', pid: second.pid }];
    try {
      // A process that has just started compiles its code: half a second of CPU that says nothing about two workers.
      await measureDrain(stack, client, path, { runs: MAPPED_RUNS });
      two.push(await measureDrain(stack, client, path, { runs: MAPPED_RUNS, others }));
    } finally {
      await second.stop();
    }
  }
  const rate = (figures: DrainFigures[]) => median(figures.map((figure) => figure.runsPerSecond));
  const cpu = (figures: DrainFigures[]) => median(figures.map((figure) => figure.cpuMsPerRun));
  for (const [name, figures] of Object.entries({ one, two })) {
    const cores = ((rate(figures) * cpu(figures)) / 1000).toFixed(2);
    console.log(
      `${name} at mappings  ${rate(figures).toFixed(0)} /s at ${cpu(figures).toFixed(2)} ms of CPU a run, ${cores} of ${availableParallelism()} cores busy`,
    );
  }
  const ratio = (pick: typeof rate) => (pick(two) / pick(one)).toFixed(2);
  console.log(
    `two beside one      ${ratio(rate)} times the rate (1.60 where cores allow), ${ratio(cpu)} times the CPU a run`,
  );
}

interface Measured {
  rounds: Round[];
  quiet: QuietFigures;
  starts: number[];
  idle: Usage[];
  peak: ReturnType<typeof memoryOf>;
}

function printSummary({ rounds, quiet, starts, idle, peak }: Measured): void {
  const of = (pick: (round: Round) => number) => median(rounds.map(pick));
  const share = of(({ drain, bullmq }) => (100 * drain.runsPerSecond) / bullmq);
  const completed = of((round) => round.plain.completedPerSecond);
  const fresh = memoryOf(idle, PROGRAMS);
  const figures: [figure: string, unit: string, must: number, aim: number, measured: number][] = [
    ['CPU a run, three plain steps', 'ms', 5, 2.5, of((round) => sum(Object.values(round.plain.cpuMsPerRun)))],
    ['POST reply p50, 5 a second', 'ms', 8, 4, quiet.reply.p50],
    ['POST reply p95', 'ms', 15, 8, quiet.reply.p95],
    ['created to started p50', 'ms', 5, 3, quiet.toStart.p50],
    ['created to started p95', 'ms', 10, 6, quiet.toStart.p95],
    ['created to finished p50', 'ms', 11, 7, quiet.toEnd.p50],
    ['memory idle, API + worker', 'MiB', 290, 230, fresh.togetherMib],
    ['- as the sum of RSS', 'MiB', 290, 230, fresh.rssMib],
    ['memory under load, highest', 'MiB', 460, 350, peak.togetherMib],
    ['- as the sum of RSS', 'MiB', 460, 350, peak.rssMib],
    ['API healthy after start', 'ms', 2000, 1000, median(starts)],
  ];
  printTargets([
    { figure: 'drain beside no-op BullMQ', unit: '%', must: 10, aim: 20, isHigherBetter: true, measured: share },
    { figure: 'accepted and finished', unit: '/s', must: 400, aim: 700, isHigherBetter: true, measured: completed },
    ...figures.map(([figure, unit, must, aim, measured]) => ({ figure, unit, must, aim, measured })),
  ]);
}

function printRounds(rounds: Round[]): void {
  console.log(`\nMedian of ${ROUNDS} rounds (lowest to highest), ${SECONDS} s at ${CONNECTIONS} connections each.`);
  console.log(`BullMQ no-op jobs drained, concurrency 50:  ${spread(rounds.map(({ bullmq }) => bullmq))} /s`);
  console.log(`queued runs drained:  ${spread(rounds.map(({ drain }) => drain.runsPerSecond))} /s`);
  for (const name of ['plain', 'aggregate'] as const)
    printRow(
      name,
      rounds.map((round) => round[name]),
    );
}

function printRow(name: string, figures: Figures[]): void {
  const of = (pick: (figure: Figures) => number) => spread(figures.map(pick));
  console.log(`${name}:`);
  console.log(`  completed  ${of((f) => f.completedPerSecond)} /s`);
  console.log(`  accepted   ${of((f) => f.acceptedPerSecond)} /s`);
  console.log(`  create     p50 ${of((f) => f.createP50Ms)} ms, p99 ${of((f) => f.createP99Ms)} ms`);
  const parts = Object.keys(figures[0]?.cpuMsPerRun ?? {});
  for (const part of parts) console.log(`  CPU ${part.padEnd(12)} ${of((f) => f.cpuMsPerRun[part] ?? 0)} ms a run`);
  console.log(`  CPU all          ${of((f) => sum(Object.values(f.cpuMsPerRun)))} ms a run`);
}

function printMemory(idle: Usage[], loaded: Usage[]): void {
  for (const { name, rssMib, ownMib } of loaded) {
    const before = idle.find((part) => part.name === name);
    const show = (rss = 0, own = 0) => `${rss.toFixed(0)} MiB RSS (${own.toFixed(0)} its own)`;
    console.log(
      `memory ${name.padEnd(12)} ${show(before?.rssMib, before?.ownMib)} idle, ${show(rssMib, ownMib)} after load`,
    );
  }
}

function cpuOf(parts: Usage[], name: string): number {
  return parts.find((part) => part.name === name)?.cpuMs ?? 0;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
