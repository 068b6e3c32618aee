/** What is said to runs, as the API says it, with the time of it; and how long the machine alone makes that wait. */
import { setTimeout as pause } from 'node:timers/promises';
import { type CancelOutcome, cancelRun, signalRun } from '@millrace/db/run-signals';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { eventually, type TestPlatform } from './testing.ts';

const by = newId();

/** Answers when it was said: by PostgreSQL's clock in milliseconds, right before the commit. */
export async function approve(platform: TestPlatform, runId: string, stepKey: string): Promise<number> {
  const { api, orgId, queue } = platform;
  const payload = { decision: 'approved', value: null, note: null, by };
  const at = await withOrg(api, orgId, async (tx) => {
    if (await signalRun(tx, runId, { type: 'decide', stepKey, payload })) return await readClock(tx);
    throw new Error(`the run ${runId} is gone or has ended`);
  });
  await Promise.all([untilDone(() => queue.ringOwner(runId)), wake(platform, runId)]);
  return at;
}

/** With the time, like `approve`. */
export async function cancel(platform: TestPlatform, runId: string): Promise<{ outcome: CancelOutcome; at: number }> {
  const { api, orgId, queue } = platform;
  const told = await withOrg(api, orgId, async (tx) => ({
    outcome: await cancelRun(tx, runId, { type: 'run.cancel_requested', by }),
    at: await readClock(tx),
  }));
  if (told.outcome === 'signalled') await untilDone(() => queue.ringOwner(runId));
  return told;
}

export function wake({ orgId, queue }: TestPlatform, runId: string): Promise<void> {
  return untilDone(() => queue.wakeRun({ orgId, runId }));
}

/** On a machine that stands still for a moment Redis seems to be away. The API leaves that to the sweeper. */
function untilDone(call: () => Promise<void>): Promise<void> {
  const isDone = () =>
    call().then(
      () => true,
      () => false,
    );
  return eventually(isDone, () => 'Redis takes it');
}

async function readClock(tx: OrgTx): Promise<number> {
  const { rows } = await tx.execute<{ ms: number }>(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
  );
  return rows[0]?.ms ?? 0;
}

/** Looks much more often than other waits of tests do. */
export async function untilStep(platform: TestPlatform, runId: string, stepKey: string, status: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const { rows } = await platform.admin.pool.query(
      'SELECT FROM app.workflow_run_steps WHERE org_id = $1 AND run_id = $2 AND step_key = $3 AND status = $4',
      [platform.orgId, runId, stepKey, status],
    );
    if (rows.length > 0) return;
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${stepKey} of ${runId} is ${status}`);
    await pause(3);
  }
}

/** From one approval to the next of a pulse, by PostgreSQL's clock in milliseconds. */
interface Beat {
  from: number;
  to: number;
}

export interface Pulse {
  readonly beats: readonly Beat[];
  /** The beats that began and ended in this time. */
  countWithin(from: number, to: number): number;
  stop(): Promise<void>;
}

/** Runs that take turns, so that each is parked for a while before it is approved again. */
const RUNS = 10;
const MOST_TURNS = 5_000;

/**
 * Approves one parked run after the other, each as soon as the one before was heard: a clock that goes as fast as the machine
 * works.
 */
export async function startPulse(platform: TestPlatform): Promise<Pulse> {
  const body = { nodes: [{ id: 'ask', type: 'approval', config: { by: 'member' } }] };
  const each = { id: 'each', type: 'foreach', config: { items: Array(MOST_TURNS).fill(0), body } };
  const workflowId = await platform.publish({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [each] });
  const runs = await Promise.all(Array.from({ length: RUNS }, () => platform.runOf(workflowId, { isAsleep: true })));
  await Promise.all(runs.map(({ runId }) => wake(platform, runId)));
  const beats: Beat[] = [];
  let isStopped = false;
  const beating = (async () => {
    let from = 0;
    for (let turn = 0; ; turn += 1) {
      const isLast = isStopped;
      const runId = runs[turn % RUNS]?.runId ?? '';
      const stepKey = `each.${Math.floor(turn / RUNS)}.ask`;
      await untilStep(platform, runId, stepKey, 'waiting');
      const at = await approve(platform, runId, stepKey);
      if (from > 0) beats.push({ from, to: at });
      from = at;
      await untilStep(platform, runId, stepKey, 'succeeded');
      if (isLast) return;
    }
  })();
  // Whoever stops it is told.
  beating.catch(() => {});
  await Promise.race([
    beating,
    eventually(
      () => beats.length >= RUNS,
      () => 'the pulse beats',
    ),
  ]);
  return {
    beats,
    countWithin: (from, to) => beats.filter((beat) => beat.from >= from && beat.to <= to).length,
    stop: () => {
      isStopped = true;
      return beating;
    },
  };
}
