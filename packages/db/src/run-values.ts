import { sql } from 'drizzle-orm';
import { openBlob } from './run-blobs.ts';
import type { OrgTx } from './tenant.ts';

export interface RunValueAddress {
  workflowId: string;
  runId: string;
  /** Null for the value of the run itself. */
  stepKey: string | null;
  field: 'input' | 'output';
}

/** The JSON text of a value, wherever it is stored; null when there is no such run, or no such step of it. */
export async function readRunValue(tx: OrgTx, address: RunValueAddress): Promise<Buffer | null> {
  const { workflowId, runId, stepKey, field } = address;
  const column = sql.identifier(field);
  const step = sql`(SELECT s.org_id, s.id AS run_id, v.step_key, v.${column}
    FROM app.workflow_runs s JOIN app.workflow_run_steps v ON v.org_id = s.org_id AND v.run_id = s.id
    WHERE s.org_id = ${tx.orgId} AND s.workflow_id = ${workflowId} AND s.id = ${runId} AND v.step_key = ${stepKey}
      AND v.type <> 'iteration')`;
  const run = sql`(SELECT r.org_id, r.id AS run_id, '' AS step_key, r.${column} FROM app.workflow_runs r
    WHERE r.org_id = ${tx.orgId} AND r.workflow_id = ${workflowId} AND r.id = ${runId})`;
  const { rows } = await tx.execute<{ text: string; data: Buffer | null }>(sql`
    SELECT coalesce(found.${column}::text, 'null') AS text, b.data
    FROM ${stepKey === null ? run : step} found LEFT JOIN app.workflow_run_blobs b
      ON b.org_id = found.org_id AND b.run_id = found.run_id AND b.step_key = found.step_key AND b.field = ${field}
        AND found.${column} IS NULL`);
  const [found] = rows;
  if (!found) return null;
  return found.data === null ? Buffer.from(found.text) : await openBlob(found.data);
}
