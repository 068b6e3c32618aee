/**
 * What a million runs of the past cost: two platforms side by side, one of them full, take turns. `npm run bench -- history`;
 * takes some ten minutes, most of them to store the past. See bench/README.md for what the figures mean.
 */
import { type Client, publish, signUp } from './client.ts';
import { measureCompleted } from './completed.ts';
import { fillWithPastRuns } from './past-runs.ts';
import { type Stack, startStack } from './stack.ts';
import { median, percentile, printTable, show, spread } from './table.ts';
import { plainWorkflow } from './workflows.ts';

const PAST_RUNS = Number(process.env.BENCH_PAST_RUNS ?? 1_000_000);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const WARM_UP_SECONDS = 3;
const LOOKS = 30;

interface Side {
  stack: Stack;
  client: Client;
  path: string;
  rates: number[];
}

const list = (query: string) => (side: Side) => side.client.call('GET', `/runs?limit=50${query}`);
const DAYS_AGO = new Date(Date.now() - 20 * 86_400_000).toISOString();
/** What people and sweepers ask again and again. */
const QUESTIONS: Record<string, (side: Side) => Promise<unknown>> = {
  'list of runs': list(''),
  'list from 20 days ago': list(`&to=${DAYS_AGO}`),
  'list of failed runs': list('&status=failed'),
  'list of cancelled runs': list('&status=cancelled'),
  'list of running runs': list('&status=running'),
  'list of one workflow': ({ client, path }) => client.call('GET', `${path}?limit=50`),
  'a sweep': ({ stack }) => stack.admin.query('SELECT * FROM sys.stuck_runs(100)'),
  'who has old runs': ({ stack }) => stack.admin.query('SELECT * FROM sys.orgs_with_old_runs(30, 1)'),
};

const stacks: Stack[] = [];
try {
  const empty = await openSide('bench-empty');
  const full = await openSide('bench-full');
  await fillWithPastRuns(full.stack, full.client, full.path, PAST_RUNS);
  await bench(empty, full);
} finally {
  // At once, and these first: with either stack all programs that this process started are stopped.
  await Promise.all(stacks.map(({ admin }) => admin.end()));
  await Promise.all(stacks.map((stack) => stack.stop()));
}

async function openSide(folder: string): Promise<Side> {
  const stack = await startStack({}, folder);
  stacks.push(stack);
  const client = await signUp(stack.apiUrl);
  const path = await publish(client, 'three plain steps', plainWorkflow);
  await measureCompleted(stack, client, path, WARM_UP_SECONDS);
  return { stack, client, path, rates: [] };
}

async function bench(empty: Side, full: Side): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    // Whoever comes first in one round comes second in the next: the machine gets slower or faster meanwhile.
    const sides = round % 2 === 0 ? [empty, full] : [full, empty];
    for (const { stack, client, path, rates } of sides)
      rates.push(await measureCompleted(stack, client, path, SECONDS));
  }
  const shares = full.rates.map((rate, round) => (100 * rate) / (empty.rates[round] ?? rate));
  console.log(`\nMedian of ${ROUNDS} rounds (lowest to highest), ${SECONDS} s at 50 connections each.`);
  console.log(`completed, empty database             ${spread(empty.rates)} /s`);
  console.log(`completed, ${PAST_RUNS} past runs         ${spread(full.rates)} /s`);
  console.log(
    `of the empty one, round by round      ${spread(shares)} %, of the medians ${show((100 * median(full.rates)) / median(empty.rates))} %`,
  );
  printTable([['', 'empty p50 / p95 ms', 'full p50 / p95 ms'], ...(await lookAround(empty, full))]);
}

async function lookAround(empty: Side, full: Side): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [name, look] of Object.entries(QUESTIONS)) {
    const cells = [];
    for (const side of [empty, full]) cells.push(await timeOf(() => look(side)));
    rows.push([name, ...cells]);
  }
  return rows;
}

async function timeOf(look: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let turn = 0; turn < LOOKS; turn += 1) {
    const startedAt = performance.now();
    await look();
    times.push(performance.now() - startedAt);
  }
  return `${show(percentile(times, 0.5))} / ${show(percentile(times, 0.95))}`;
}
