import { sql } from 'drizzle-orm';
import { toJsonText } from './json-text.ts';
import type { OrgTx } from './tenant.ts';

/** What can be said to a run that was accepted already (R3). Wake a worker, or its owner, after the commit. */

export interface NewSignal {
  type: 'decide' | 'resume';
  stepKey: string;
  payload?: unknown;
}

/** Stores a signal for the run's owner. False: the run is gone or has ended, nothing could hear it. */
export async function signalRun(tx: OrgTx, runId: string, { type, stepKey, payload }: NewSignal): Promise<boolean> {
  const { rows } = await tx.execute<{ sent: boolean }>(
    sql`SELECT app.signal_run(${tx.orgId}, ${runId}, ${type}, ${stepKey}, ${toJsonText(payload)}::jsonb) AS sent`,
  );
  return rows[0]?.sent ?? false;
}

/**
 * `cancelled`: nobody owned the run, it has ended here and now. `signalled`: its owner is told and ends it. `ended`: it
 * had ended before. `gone`: there is no such run.
 */
export type CancelOutcome = 'cancelled' | 'signalled' | 'ended' | 'gone';

/** Cancels a run; `entry` is what its timeline says. */
export async function cancelRun(tx: OrgTx, runId: string, entry: object): Promise<CancelOutcome> {
  const { rows } = await tx.execute<{ outcome: CancelOutcome | null }>(
    sql`SELECT app.cancel_run(${tx.orgId}, ${runId}, ${toJsonText(entry)}::jsonb) AS outcome`,
  );
  return rows[0]?.outcome ?? 'gone';
}

/**
 * The same for many runs at once, answered in the order asked. Their rows stay locked until the commit: ask for few, in the
 * order of workflow and id, which is the order in which workers lock theirs.
 */
export async function cancelRuns(tx: OrgTx, runIds: readonly string[], entry: object): Promise<CancelOutcome[]> {
  const { rows } = await tx.execute<{ outcome: CancelOutcome | null }>(
    sql`SELECT app.cancel_run(${tx.orgId}, run.id::uuid, ${toJsonText(entry)}::jsonb) AS outcome
      FROM jsonb_array_elements_text(${JSON.stringify(runIds)}::jsonb) WITH ORDINALITY AS run (id, number)
      ORDER BY run.number`,
  );
  return rows.map(({ outcome }) => outcome ?? 'gone');
}
