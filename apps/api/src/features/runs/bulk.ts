import { workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { type BulkResult, MAX_BULK_RUNS } from '@millrace/shared/contracts/bulk-runs';
import type { RunFilter } from '@millrace/shared/contracts/runs';
import type { AppError } from '@millrace/shared/errors';
import { and, count, desc, type SQL } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { type Position, readCursor, splitPage, writeCursor } from '../../http/page.ts';
import { auditChange } from '../audit/service.ts';
import { runsOf } from './queries.ts';

/** Many runs at once: which ones, how far one call goes, and what it says of them. */

export interface BulkRequest {
  filter: RunFilter;
  limit?: number | undefined;
  cursor?: string | undefined;
  dryRun?: boolean | undefined;
}

export interface RunRef extends Position {
  workflowId: string;
}

export interface BulkPage {
  runs: RunRef[];
  nextCursor: string | null;
}

const MAX_COUNTED = 10_000;
/** A call answers well before clients and proxies lose patience, and before its Idempotency-Key counts as abandoned. */
const WORK_MS = 3_000;

/** How many there are, nothing else. */
export async function countRuns(context: OrgContext, request: BulkRequest, eligible: SQL): Promise<BulkResult> {
  const rows = await withOrg(context.deps.db, context.orgId, (tx) => {
    const { id } = workflowRuns;
    const found = tx
      .select({ id })
      .from(workflowRuns)
      .where(matching(tx, request, eligible))
      .limit(MAX_COUNTED);
    return tx.select({ matched: count() }).from(found.as('found'));
  });
  return { matched: rows[0]?.matched ?? 0, done: 0, skipped: [], nextCursor: null };
}

/** The runs that this call is about, newest first. */
export async function readBulkPage(tx: OrgTx, request: BulkRequest, eligible: SQL): Promise<BulkPage> {
  const { id, workflowId, createdAt } = workflowRuns;
  const limit = request.limit ?? MAX_BULK_RUNS;
  const rows = await tx
    .select({ id, workflowId, createdAt })
    .from(workflowRuns)
    .where(matching(tx, request, eligible))
    .orderBy(desc(createdAt), desc(id))
    .limit(limit + 1);
  const { page, nextCursor } = splitPage(rows, limit);
  return { runs: page, nextCursor };
}

function matching(tx: OrgTx, { filter, cursor }: BulkRequest, eligible: SQL) {
  return and(runsOf(tx, filter, cursor ? readCursor(cursor) : undefined), eligible);
}

/** One entry a call, before its first run: whoever stops half-way has left this behind. */
export function auditBulk(
  context: OrgContext,
  tx: OrgTx,
  action: 'run.bulk_cancel' | 'run.bulk_retry',
  data: { filter: RunFilter; matched: number; latest?: boolean },
): Promise<void> {
  return auditChange(context, tx, action, data.filter.workflowId ?? null, data);
}

/**
 * Does `act` to the runs of a page, portion by portion, until they or the time are at an end. `act` answers in the order
 * asked: null, or why a run was left as it is. Lost dependencies are no such reason: the walk ends there, and the call fails
 * unless something was done by then; what it answers goes on at that run.
 */
export async function walkPage(
  { runs, nextCursor }: BulkPage,
  portionSize: number,
  act: (portion: RunRef[]) => Promise<(AppError | null)[]>,
): Promise<BulkResult> {
  const deadline = performance.now() + WORK_MS;
  const tally = openTally();
  let place: string | null = null;
  for (let start = 0; start < runs.length; start += portionSize) {
    if (performance.now() > deadline) return tally.read(place);
    const portion = runs.slice(start, start + portionSize);
    const outcomes = await act(portion);
    const lost = outcomes.findIndex((outcome) => outcome?.code === 'QUEUE_UNAVAILABLE');
    tally.add(outcomes);
    const last = lost === -1 ? portion.at(-1) : runs[start + lost - 1];
    if (last) place = writeCursor(last);
    if (lost === -1) continue;
    if (tally.done() === 0) throw outcomes[lost];
    return tally.read(place ?? beforeFirst(runs));
  }
  return tally.read(nextCursor);
}

/** A place from which the first run of a page comes next. */
export function beforeFirst([first]: RunRef[]): string | null {
  return first ? writeCursor({ createdAt: first.createdAt, id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }) : null;
}

function openTally() {
  const reasons = new Map<string, BulkResult['skipped'][number]>();
  let done = 0;
  return {
    done: () => done,
    add(outcomes: readonly (AppError | null)[]) {
      for (const outcome of outcomes) {
        if (outcome === null) done += 1;
        if (outcome === null || outcome.code === 'QUEUE_UNAVAILABLE') continue;
        const { code, message } = outcome;
        const reason = reasons.get(`${code} ${message}`) ?? { code, message, count: 0 };
        reasons.set(`${code} ${message}`, { ...reason, count: reason.count + 1 });
      }
    },
    read(nextCursor: string | null): BulkResult {
      const skipped = [...reasons.values()];
      const matched = skipped.reduce((sum, { count }) => sum + count, done);
      return { matched, done, skipped, nextCursor };
    },
  };
}
