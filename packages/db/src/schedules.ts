import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import { dueTicks, nextTicks, type Schedule } from '@millrace/workflow/triggers/cron';
import { and, asc, eq, lte, type SQL, sql } from 'drizzle-orm';
import { readQueueRoom } from './admission.ts';
import type { Database } from './connect.ts';
import { toJsonText } from './json-text.ts';
import { type QueueState, readQueueState, watchQueue } from './queue-limits.ts';
import { admissionOf, type NewRun } from './runs.ts';
import { workflowRuns } from './schema/runs.ts';
import { workflowSchedules } from './schema/schedules.ts';
import { type OrgTx, withOrg } from './tenant.ts';
import { assertUuid } from './uuid.ts';

/**
 * Ticks of cron triggers become runs here. Whether a tick is due is asked of PostgreSQL's clock alone: those of the
 * processes may be wrong, and differ.
 */

/** Of one organization in one transaction: with many due, it waits for its next turn. */
const SCHEDULES_AT_ONCE = 20;
const RUNS_AT_ONCE = 100;
/**
 * Shorter than PostgreSQL's deadlock_timeout: who deletes a workflow or its organization waits for the schedule while
 * the runs wait for the workflow, and it must be the firing that gives way. It comes again.
 */
const LOCK_TIMEOUT = '500ms';
const RETRY_BROKEN_MS = 3_600_000;

/** What a scheduler asks of the schedules of all organizations. */
export function schedulesIn(db: Database) {
  return {
    findDueOrgs: (afterOrgId: string, limit: number) => findDueOrgs(db, afterOrgId, limit),
    fireSchedules: (orgId: string) => fireSchedules(db, orgId),
    msUntilNextTick: () => msUntilNextTick(db),
  };
}

/** Starts or changes the schedule of a published, enabled workflow; what was due of an unchanged one stays due. */
export async function storeSchedule(
  tx: OrgTx,
  workflow: { workflowId: string; version: number; maxAttempts: number },
  schedule: Schedule,
): Promise<void> {
  const nextFireAt = nextTicks(schedule, await readClock(tx), 1)[0] ?? null;
  const { version, maxAttempts } = workflow;
  const changed = { version, maxAttempts, ...schedule };
  const { expression, timeZone } = workflowSchedules;
  const isSame = and(eq(expression, schedule.expression), eq(timeZone, schedule.timeZone));
  await tx
    .insert(workflowSchedules)
    .values({ orgId: tx.orgId, workflowId: workflow.workflowId, ...changed, nextFireAt })
    .onConflictDoUpdate({
      target: [workflowSchedules.orgId, workflowSchedules.workflowId],
      set: {
        ...changed,
        nextFireAt: sql`case when ${isSame} then ${workflowSchedules.nextFireAt} else excluded.next_fire_at end`,
      },
    });
}

/** Ends the schedule; waits for ticks that are being fired. */
export async function deleteSchedule(tx: OrgTx, workflowId: string): Promise<void> {
  await tx.delete(workflowSchedules).where(isScheduleOf(tx, workflowId));
}

/** The next `count` ticks from now; none without a schedule. */
export async function readNextTicks(tx: OrgTx, workflowId: string, count: number): Promise<Date[]> {
  const [row] = await tx.select().from(workflowSchedules).where(isScheduleOf(tx, workflowId));
  return row ? nextTicks(row, await readClock(tx), count) : [];
}

/** Organizations with a tick that is due, the ones behind `afterOrgId` first; none while another process asks. */
export async function findDueOrgs(db: Database, afterOrgId: string, limit: number): Promise<string[]> {
  assertUuid(afterOrgId, 'afterOrgId');
  const text = 'SELECT org_id AS "orgId" FROM sys.due_schedules($1, $2)';
  const { rows } = await db.pool.query<{ orgId: string }>(text, [afterOrgId, limit]);
  return rows.map(({ orgId }) => orgId);
}

/** Milliseconds until the earliest tick of any organization, negative when it is overdue; null when there is none. */
export async function msUntilNextTick(db: Database): Promise<number | null> {
  const { rows } = await db.pool.query<{ ms: number | null }>('SELECT sys.next_tick_in() AS ms');
  return rows[0]?.ms ?? null;
}

export interface FiredSchedules {
  /** Schedules that moved on, also without a run. */
  handledCount: number;
  /** Held ones wait for their turn: wake nobody for them. */
  runs: { orgId: string; workflowId: string; runId: string; isHeld: boolean }[];
  /** Missed ticks that nothing makes up for, see `dueTicks`, and those for which the organization had too many queued runs. */
  dropped: { orgId: string; workflowId: string; count: number }[];
  broken: { orgId: string; workflowId: string; error: string }[];
}

/**
 * Makes runs of the due ticks of one organization, some of them when there are many; wake workers after it. Each tick
 * makes one run, whoever else fires at the same time and whenever this process dies: the runs and the time of the next
 * tick commit together, under a lock on the schedule.
 */
export async function fireSchedules(db: Database, orgId: string): Promise<FiredSchedules> {
  const queue = await readQueueState(db, orgId);
  return withOrg(db, orgId, async (tx) => {
    const firings = takeSome((await lockDue(tx)).map(judge));
    if (firings.some(({ runs }) => runs.length > 0)) failPoint('schedule.claimed-before-run');
    const stored = await insertRuns(tx, await placeRuns(tx, firings, db, queue));
    const [refused, runs] = [stored.filter(isRefused), stored.filter((run) => !isRefused(run))];
    await moveOn(tx, firings);
    return {
      handledCount: firings.length,
      runs: runs.map(({ status: _, ...run }) => run),
      dropped: [
        ...firings.flatMap(({ workflowId, dropped }) => (dropped > 0 ? { orgId, workflowId, count: dropped } : [])),
        ...refused.map(({ workflowId }) => ({ orgId, workflowId, count: 1 })),
      ],
      broken: firings.flatMap(({ workflowId, error }) => (error === null ? [] : { orgId, workflowId, error })),
    };
  });
}

type DueSchedule = typeof workflowSchedules.$inferSelect & { sinceMs: number; nowMs: number };

type ScheduledRun = Pick<NewRun, 'id' | 'workflowId' | 'version' | 'input' | 'maxAttempts'> & { scheduledAt: Date };

type PlacedRun = ScheduledRun & { place: 'admitted' | 'held' | 'refused' };

function isRefused({ status }: { status: string }): boolean {
  return status === 'cancelled';
}

interface Firing {
  workflowId: string;
  runs: ScheduledRun[];
  next: Date | null;
  dropped: number;
  error: string | null;
}

/** Schedules that another process is firing or somebody is changing are left to them. */
async function lockDue(tx: OrgTx): Promise<DueSchedule[]> {
  const { orgId, workflowId, nextFireAt } = workflowSchedules;
  await tx.execute(sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`);
  const rows = await tx
    .select({ row: workflowSchedules, sinceMs: epochMs(sql`${nextFireAt}`), nowMs: epochMs(sql`now()`) })
    .from(workflowSchedules)
    .where(and(eq(orgId, tx.orgId), lte(nextFireAt, sql`now()`)))
    .orderBy(asc(nextFireAt), asc(workflowId))
    .limit(SCHEDULES_AT_ONCE)
    .for('update', { skipLocked: true });
  return rows.map(({ row, ...times }) => ({ ...row, ...times }));
}

/** What is to be done about a due schedule. One that cannot be read must not hold up the others of its organization. */
function judge(due: DueSchedule): Firing {
  const { workflowId, version, maxAttempts, timeZone, expression, sinceMs, nowMs } = due;
  try {
    const { ticks, next, dropped } = dueTicks(due, sinceMs, nowMs);
    const runs = ticks.map((tick) => ({
      ...{ id: newId(), workflowId, version, maxAttempts, scheduledAt: tick },
      input: { scheduledAt: tick.toISOString(), timeZone, expression },
    }));
    return { workflowId, runs, next, dropped, error: null };
  } catch (cause) {
    const error = messageOf(cause);
    return { workflowId, runs: [], next: new Date(nowMs + RETRY_BROKEN_MS), dropped: 0, error };
  }
}

/** The first ones, until they make enough runs; the others stay due. */
function takeSome(firings: readonly Firing[]): Firing[] {
  let runs = 0;
  return firings.filter((firing) => {
    const isTaken = runs < RUNS_AT_ONCE;
    runs += firing.runs.length;
    return isTaken;
  });
}

/** Which of the new runs are admitted, which wait for their turn, and for which there is no room: those are refused. */
async function placeRuns(
  tx: OrgTx,
  firings: readonly Firing[],
  db: Database,
  { isFull, isExact }: QueueState,
): Promise<PlacedRun[]> {
  const runs = firings.flatMap((firing) => firing.runs);
  if (runs.length === 0) return [];
  const { storable, admissible } = await readQueueRoom(tx, runs.length, db.admission);
  const room = isFull && !isExact ? 0 : storable;
  if (runs.length > Math.min(room, admissible)) watchQueue(db, tx.orgId);
  return runs.map((run, n) => {
    if (n >= room) return { ...run, place: 'refused' };
    return { ...run, place: n < admissible ? 'admitted' : 'held' };
  });
}

/** Answers those it stored: a tick that has its run already, say because the clock went back, gets no other. */
async function insertRuns(tx: OrgTx, runs: readonly PlacedRun[]) {
  if (runs.length === 0) return [];
  const rows = runs.map(({ input, place, ...columns }) => ({
    ...{ ...columns, orgId: tx.orgId, triggerType: 'trigger.cron', input: sql`${toJsonText(input)}::jsonb` },
    ...(place === 'refused' ? REFUSED : admissionOf(place === 'admitted')),
  }));
  const { orgId, id, workflowId, heldBy, status } = workflowRuns;
  const isHeld = sql<boolean>`${heldBy} is not null`;
  return tx
    .insert(workflowRuns)
    .values(rows)
    .onConflictDoNothing()
    .returning({ orgId, runId: id, workflowId, isHeld, status });
}

/** A tick that found no room is seen among the runs, where people look for it. */
const REFUSED = {
  status: 'cancelled' as const,
  error: {
    code: 'RUN_LIMIT_EXCEEDED',
    message: 'When this run was due, the organization had as many queued runs as it may.',
  },
  finishedAt: sql`now()`,
  nextSweepAt: null,
};

async function moveOn(tx: OrgTx, firings: readonly Firing[]): Promise<void> {
  if (firings.length === 0) return;
  const column = (values: (string | Date | null)[]) => sql.param(values);
  await tx.execute(sql`
    update app.workflow_schedules s
    set next_fire_at = moved.next, last_fired_at = coalesce(moved.last, s.last_fired_at)
    from unnest(${column(firings.map((firing) => firing.workflowId))}::uuid[],
      ${column(firings.map((firing) => firing.next))}::timestamptz[],
      ${column(firings.map((firing) => firing.runs.at(-1)?.scheduledAt ?? null))}::timestamptz[])
      as moved (workflow_id, next, last)
    where s.org_id = ${tx.orgId} and s.workflow_id = moved.workflow_id`);
}

/** Epoch milliseconds of PostgreSQL's clock. */
async function readClock(tx: OrgTx): Promise<number> {
  const { rows } = await tx.execute<{ ms: number }>(sql`select ${epochMs(sql`now()`)} as ms`);
  return Number(rows[0]?.ms);
}

function epochMs(time: SQL): SQL<number> {
  return sql<number>`floor(extract(epoch from ${time}) * 1000)::double precision`;
}

function isScheduleOf(tx: OrgTx, workflowId: string) {
  return and(eq(workflowSchedules.orgId, tx.orgId), eq(workflowSchedules.workflowId, workflowId));
}
