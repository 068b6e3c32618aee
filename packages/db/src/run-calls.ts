import { sql } from 'drizzle-orm';
import { type Database, queryHot } from './connect.ts';
import { toJsonText } from './json-text.ts';
import type { RunRef } from './run-events.ts';
import type { OrgTx } from './tenant.ts';
import { assertUuid } from './uuid.ts';

/**
 * Calls to the addresses of steps that wait for one. A step has one row, and whoever writes it first decides: a caller, or the
 * owner of the run once the step's time is over. So what was accepted is taken in, and what came too late hears so.
 */

/** `known`: somebody called before. `over`: the time of the step, or its run, is over. */
export type CallOutcome = 'accepted' | 'known' | 'over';

/** Stores a call, also when the step does not wait yet, and a signal for the run's owner. Wake a worker after the commit. */
export async function callStep(
  tx: OrgTx,
  { runId, stepKey, input }: { runId: string; stepKey: string; input: object },
): Promise<CallOutcome> {
  const { rows } = await tx.execute<{ outcome: CallOutcome }>(
    sql`SELECT app.call_step(${tx.orgId}, ${runId}, ${stepKey}, ${toJsonText(input)}::jsonb) AS outcome`,
  );
  return rows[0]?.outcome ?? 'over';
}

/** What the published document says of the step that this run waits in; null when there is no such run or step. */
export async function findAwaitedStep(
  tx: OrgTx,
  { runId, stepId }: { runId: string; stepId: string },
): Promise<{ methods?: string[] } | null> {
  const { rows } = await tx.execute<{ config: { methods?: string[] } | null }>(sql`
    SELECT jsonb_path_query_first(v.definition, '$.** ? (@.type == "wait.webhook" && @.id == $id).config',
      jsonb_build_object('id', ${stepId}::text)) AS config
    FROM app.workflow_runs r
    JOIN app.workflow_versions v ON v.org_id = r.org_id AND v.workflow_id = r.workflow_id AND v.version = r.version
    WHERE r.org_id = ${tx.orgId} AND r.id = ${runId}`);
  return rows[0]?.config ?? null;
}

/** What was sent to these steps, of those that were called. */
export async function readCalls(db: Database, run: RunRef, stepKeys: readonly string[]): Promise<Map<string, unknown>> {
  return byStepKey(await queryHot<CallRow>(db, READ_CALLS, valuesOf(run, stepKeys)));
}

/** The same, and from now on nobody can call those that were not. May be done again. */
export async function endCalls(db: Database, run: RunRef, stepKeys: readonly string[]): Promise<Map<string, unknown>> {
  return byStepKey(await queryHot<CallRow>(db, END_CALLS, valuesOf(run, stepKeys)));
}

interface CallRow {
  stepKey: string;
  input: unknown;
}

function byStepKey(rows: CallRow[]): Map<string, unknown> {
  return new Map(rows.map(({ stepKey, input }) => [stepKey, input]));
}

function valuesOf({ orgId, runId }: RunRef, stepKeys: readonly string[]): unknown[] {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
  return [orgId, runId, stepKeys];
}

const READ_CALLS = {
  name: 'read-calls',
  text: 'SELECT step_key AS "stepKey", input FROM app.read_calls($1::uuid, $2::uuid, $3::text[])',
};
const END_CALLS = {
  name: 'end-calls',
  text: 'SELECT step_key AS "stepKey", input FROM app.end_calls($1::uuid, $2::uuid, $3::text[])',
};
