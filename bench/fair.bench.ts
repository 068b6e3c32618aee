/**
 * How long runs of one organization wait while another one keeps the worker busy, with a small and with a large backlog.
 * `npm run bench -- fair`; takes about two and a half minutes. See bench/README.md for what the figures mean.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { measurePriorities } from './bullmq-priorities.ts';
import { type Client, publish, signUp } from './client.ts';
import { type Stack, startStack } from './stack.ts';
import { median, percentile, show, spread } from './table.ts';
import { plainWorkflow, runInput } from './workflows.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SMALL = 200;
const LARGE = 20_000;
const B_EVERY_MS = 200;

interface Flow {
  client: Client;
  workflowId: string;
}

const stack = await startStack();
try {
  await bench(stack);
} finally {
  await stack.stop();
}

interface Round {
  waits: number[];
  /** Of A's runs that ended. */
  perSecond: number;
}

async function bench(stack: Stack): Promise<void> {
  const busy = await openFlow(stack);
  const other = await openFlow(stack);
  const warm = await measure(stack, busy, other, SMALL, 0); // warms everything up, and tells about how fast A is
  const rounds = { [SMALL]: [] as Round[], [LARGE]: [] as Round[] };
  for (let n = 0; n < ROUNDS; n += 1) {
    const small = await measure(stack, busy, other, SMALL, warm.perSecond);
    rounds[SMALL]?.push(small);
    rounds[LARGE]?.push(await measure(stack, busy, other, LARGE, small.perSecond));
  }
  console.log(`\nB starts one run each ${B_EVERY_MS} ms, created -> started, ${ROUNDS} rounds of ${SECONDS} s each:`);
  const [small, large] = [print(SMALL, rounds[SMALL] ?? []), print(LARGE, rounds[LARGE] ?? [])];
  console.log(`p95 with ${LARGE} against ${SMALL}: ${show(large / small)} times`);
  const { plain, prioritized } = await measurePriorities(stack.redisUrl, LARGE);
  console.log(
    `BullMQ, sequential adds behind ${LARGE} jobs: ${show(plain)} /s, with a priority ${show(prioritized)} /s`,
  );
}

/** Answers B's p95 over all rounds. */
function print(backlog: number, rounds: Round[]): number {
  const waits = rounds.flatMap((round) => round.waits);
  const p95 = percentile(waits, 0.95);
  const rate = `A ends ${spread(rounds.map(({ perSecond }) => perSecond))} runs/s`;
  console.log(
    `A holds ${String(backlog).padStart(6)}:  B p50 ${show(median(waits))} ms, p95 ${show(p95)} ms   (${rate})`,
  );
  return p95;
}

async function openFlow(stack: Stack): Promise<Flow> {
  const client = await signUp(stack.apiUrl);
  const path = await publish(client, 'three plain steps', plainWorkflow);
  return { client, workflowId: path.split('/')[2] ?? '' };
}

/** `expected`: runs a second that A is thought to end, so that a large backlog need not be counted to stay as it is. */
async function measure(stack: Stack, busy: Flow, other: Flow, backlog: number, expected: number): Promise<Round> {
  await fill(stack, busy, backlog);
  const stop = new AbortController();
  const filling = keepFilled(stack, busy, backlog, expected, stop.signal);
  await delay(3_000); // until the worker is as busy as it gets
  const endedBefore = await countEnded(stack, busy);
  const from = performance.now();
  const ids: string[] = [];
  for (let n = 0; n < (SECONDS * 1000) / B_EVERY_MS; n += 1) {
    await delay(Math.max(0, from + n * B_EVERY_MS - performance.now()));
    const { run } = await other.client.call('POST', `/workflows/${other.workflowId}/runs`, { input: runInput });
    ids.push(run?.id ?? '');
  }
  const perSecond = ((await countEnded(stack, busy)) - endedBefore) / ((performance.now() - from) / 1000);
  stop.abort();
  await filling;
  const waits = await readWaits(stack, ids);
  await clear(stack, busy);
  return { waits, perSecond };
}

/** Rows as the API stores them behind others; the first ones are admitted by the sweeper. */
async function fill({ admin }: Stack, { client, workflowId }: Flow, count: number): Promise<void> {
  await admin.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, input, held_by, next_sweep_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', $3, 'organization', NULL FROM generate_series(1, $4)`,
    [client.orgId, workflowId, JSON.stringify(runInput), count],
  );
}

/** In small steps and with the same work for either backlog, so that filling up is no burst that the other one has not. */
async function keepFilled(stack: Stack, flow: Flow, backlog: number, expected: number, signal: AbortSignal) {
  for (let filledAt = performance.now(); !signal.aborted; ) {
    await delay(20);
    const missing = SMALL - (await countQueued(stack, flow, SMALL));
    const now = performance.now();
    await fill(stack, flow, backlog === SMALL ? missing : Math.round(((now - filledAt) / 1000) * expected));
    filledAt = now;
  }
}

async function countQueued({ admin }: Stack, { client }: Flow, most: number): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM app.workflow_runs WHERE org_id = $1 AND is_active AND status = 'queued' LIMIT $2) queued`,
    [client.orgId, most],
  );
  return rows[0]?.count ?? 0;
}

async function countEnded({ admin }: Stack, { client }: Flow): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM app.workflow_runs WHERE org_id = $1 AND finished_at IS NOT NULL`,
    [client.orgId],
  );
  return rows[0]?.count ?? 0;
}

/** Milliseconds from creation to start, once all have started. */
async function readWaits({ admin }: Stack, ids: string[]): Promise<number[]> {
  for (;;) {
    const { rows } = await admin.query<{ ms: number | null }>(
      `SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS ms FROM app.workflow_runs WHERE id = ANY ($1)`,
      [ids],
    );
    const waits = rows.flatMap(({ ms }) => (ms === null ? [] : ms));
    if (waits.length === ids.length) return waits;
    await delay(100);
  }
}

/** What is still queued goes away, what runs ends. */
async function clear({ admin }: Stack, { client }: Flow): Promise<void> {
  await admin.query(`DELETE FROM app.workflow_runs WHERE org_id = $1 AND status = 'queued'`, [client.orgId]);
  await delay(2_000);
  await admin.query('VACUUM ANALYZE app.workflow_runs');
}
