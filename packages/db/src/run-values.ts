import { sql } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { openBlob } from './run-blobs.ts';
import { type OrgTx, withOrg } from './tenant.ts';

export interface RunValueAddress {
  workflowId: string;
  runId: string;
  /** Null for the value of the run itself. */
  stepKey: string | null;
  field: 'input' | 'output';
}

/** A value as it is stored: its JSON text, or the size of the compressed one beside the row. */
export type StoredValue = { text: string } | { storedBytes: number };

/** Where a value is, whatever its size; null when there is no such run, or no such step of it. */
export async function findRunValue(tx: OrgTx, address: RunValueAddress): Promise<StoredValue | null> {
  const { workflowId, runId, stepKey, field } = address;
  const column = sql.identifier(field);
  const step = sql`(SELECT s.org_id, s.id AS run_id, v.step_key, v.${column}
    FROM app.workflow_runs s JOIN app.workflow_run_steps v ON v.org_id = s.org_id AND v.run_id = s.id
    WHERE s.org_id = ${tx.orgId} AND s.workflow_id = ${workflowId} AND s.id = ${runId} AND v.step_key = ${stepKey}
      AND v.type <> 'iteration')`;
  const run = sql`(SELECT r.org_id, r.id AS run_id, '' AS step_key, r.${column} FROM app.workflow_runs r
    WHERE r.org_id = ${tx.orgId} AND r.workflow_id = ${workflowId} AND r.id = ${runId})`;
  const { rows } = await tx.execute<{ text: string; storedBytes: number | null }>(sql`
    SELECT coalesce(found.${column}::text, 'null') AS text, octet_length(b.data) AS "storedBytes"
    FROM ${stepKey === null ? run : step} found LEFT JOIN app.workflow_run_blobs b
      ON b.org_id = found.org_id AND b.run_id = found.run_id AND b.step_key = found.step_key AND b.field = ${field}
        AND found.${column} IS NULL`);
  const [found] = rows;
  if (!found) return null;
  return found.storedBytes === null ? { text: found.text } : { storedBytes: found.storedBytes };
}

/** The JSON text of a value as a whole; null as for `findRunValue`. For values that are small unless somebody insists. */
export async function readRunValue(tx: OrgTx, address: RunValueAddress): Promise<string | null> {
  const found = await findRunValue(tx, address);
  if (found === null || 'text' in found) return found?.text ?? null;
  return String(await openBlob(await readSlice(tx, address, 0, found.storedBytes)));
}

const SLICE_BYTES = 256 * 1024;

/**
 * A compressed value piece by piece, each read when it is asked for: a slow reader holds one piece and no connection.
 * Throws when the run is removed meanwhile.
 */
export async function* readSlices(
  db: Database,
  orgId: string,
  address: RunValueAddress,
  storedBytes: number,
): AsyncGenerator<Buffer> {
  for (let from = 0; from < storedBytes; from += SLICE_BYTES)
    yield await withOrg(db, orgId, (tx) => readSlice(tx, address, from, SLICE_BYTES));
}

/** What is compressed already lies on the disk as it is, so that PostgreSQL reads no more than this much of it. */
async function readSlice(tx: OrgTx, address: RunValueAddress, from: number, length: number): Promise<Buffer> {
  const { runId, stepKey, field } = address;
  const { rows } = await tx.execute<{ data: Buffer }>(sql`
    SELECT substring(b.data FROM ${from + 1}::integer FOR ${length}::integer) AS data FROM app.workflow_run_blobs b
    WHERE b.org_id = ${tx.orgId} AND b.run_id = ${runId} AND b.step_key = ${stepKey ?? ''} AND b.field = ${field}`);
  const [slice] = rows;
  if (!slice) throw new Error('the value was removed while it was read');
  return slice.data;
}
