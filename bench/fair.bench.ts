/**
 * How long runs of one organization wait while another one keeps the worker busy, with a small and with a large backlog.
 * `npm run bench -- fair`; takes about a minute and a half. See bench/README.md for what the figures mean.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { measurePriorities } from './bullmq-priorities.ts';
import { type Client, publish, signUp } from './client.ts';
import { type Stack, startStack } from './stack.ts';
import { median, percentile, show } from './table.ts';
import { plainWorkflow, runInput } from './workflows.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 20);
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

async function bench(stack: Stack): Promise<void> {
  const busy = await openFlow(stack);
  const other = await openFlow(stack);
  await measure(stack, busy, other, 0, 3); // warms everything up
  const rounds = [];
  for (const backlog of [0, SMALL, LARGE]) rounds.push(await measure(stack, busy, other, backlog, SECONDS));
  const [, small, large] = rounds;
  console.log(`\nB starts one run each ${B_EVERY_MS} ms, created -> started, ${SECONDS} s each:`);
  for (const { backlog, p50, p95, perSecond, queued } of rounds) {
    const load = `A ends ${show(perSecond)} runs/s, ${queued} queued at the end`;
    console.log(`A holds ${String(backlog).padStart(6)}:  B p50 ${show(p50)} ms, p95 ${show(p95)} ms   (${load})`);
  }
  console.log(`p95 with ${LARGE} against ${SMALL}: ${show((large?.p95 ?? 0) / (small?.p95 ?? 1))} times`);
  const { plain, prioritized } = await measurePriorities(stack.redisUrl, LARGE);
  console.log(
    `BullMQ, sequential adds behind ${LARGE} jobs: ${show(plain)} /s, with a priority ${show(prioritized)} /s`,
  );
}

async function openFlow(stack: Stack): Promise<Flow> {
  const client = await signUp(stack.apiUrl);
  const path = await publish(client, 'three plain steps', plainWorkflow);
  return { client, workflowId: path.split('/')[2] ?? '' };
}

async function measure(stack: Stack, busy: Flow, other: Flow, backlog: number, seconds: number) {
  await fill(stack, busy, backlog);
  if (backlog > 0) await delay(3_000); // until the worker is as busy as it gets
  const endedBefore = await countEnded(stack, busy);
  const from = performance.now();
  const stop = new AbortController();
  const filling = keepFilled(stack, busy, backlog, stop.signal);
  const ids: string[] = [];
  for (let n = 0; n < (seconds * 1000) / B_EVERY_MS; n += 1) {
    await delay(Math.max(0, from + n * B_EVERY_MS - performance.now()));
    const { run } = await other.client.call('POST', `/workflows/${other.workflowId}/runs`, { input: runInput });
    ids.push(run?.id ?? '');
  }
  const perSecond = ((await countEnded(stack, busy)) - endedBefore) / ((performance.now() - from) / 1000);
  const queued = await countQueued(stack, busy, LARGE * 2);
  stop.abort();
  await filling;
  const waits = await readWaits(stack, ids);
  await clear(stack, busy);
  return { backlog, p50: median(waits), p95: percentile(waits, 0.95), perSecond, queued };
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

async function keepFilled(stack: Stack, flow: Flow, backlog: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && backlog > 0) {
    await fill(stack, flow, backlog - (await countQueued(stack, flow, backlog)));
    await delay(backlog / 10); // before it is much smaller; 2 s for the large one, which is slow to count
  }
}

async function countQueued({ admin }: Stack, { client }: Flow, most: number): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM app.workflow_runs WHERE org_id = $1 AND status = 'queued' AND next_attempt_at IS NULL LIMIT $2) queued`,
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
