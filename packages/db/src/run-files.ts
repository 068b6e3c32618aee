import { sql } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { type OrgTx, withOrg } from './tenant.ts';

/**
 * Files of runs, in pieces of 256 kB: neither writing nor reading one holds more than a piece in memory, or a connection for
 * longer than a piece takes. All calls that write may be made twice.
 */
export const FILE_CHUNK_BYTES = 256 * 1024;

/** The step of a run that writes files, and the claim under which it does. */
export interface FileOwner {
  orgId: string;
  runId: string;
  leaseToken: number;
  stepKey: string;
  /** Of an attempt that was offered to all workers: who has taken it. */
  taken?: { attempt: number; executorId: string };
}

interface NewFile {
  id: string;
  name: string;
  contentType: string;
}

export interface StoredFile extends NewFile {
  runId: string;
  sizeBytes: number;
}

/**
 * Makes an empty file and answers the bytes of all others of its run; null, and nothing made, when the run is claimed, or
 * the attempt was taken, by somebody else. `isFirst`: whatever an earlier attempt of the step has left behind goes.
 */
export async function beginRunFile(
  db: Database,
  { orgId, runId, leaseToken, stepKey, taken }: FileOwner,
  { id, name, contentType }: NewFile,
  isFirst: boolean,
): Promise<number | null> {
  return withOrg(db, orgId, async (tx) => {
    // Held until the end: a claim cannot come between, whose first file would not clear this one away.
    const { rows: owned } = await tx.execute(sql`
      SELECT FROM app.workflow_runs r
      WHERE r.org_id = ${orgId} AND r.id = ${runId} AND r.lease_token = ${leaseToken} AND r.status = 'running' FOR SHARE`);
    if (owned.length === 0) return null;
    // Likewise: the run's owner cannot take the attempt back, and begin a file of its own, before this one is there.
    if (taken) {
      const { rows: held } = await tx.execute(sql`
        SELECT FROM app.workflow_run_attempts a
        WHERE a.org_id = ${orgId} AND a.run_id = ${runId} AND a.step_key = ${stepKey} AND a.attempt = ${taken.attempt}
          AND a.executor_id = ${taken.executorId} AND a.lease_until IS NOT NULL FOR SHARE`);
      if (held.length === 0) return null;
    }
    if (isFirst)
      await tx.execute(sql`
        DELETE FROM app.workflow_run_files f
        WHERE f.org_id = ${orgId} AND f.run_id = ${runId} AND f.step_key = ${stepKey}`);
    const others = await sumOfFiles(tx, runId);
    await tx.execute(sql`
      INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type)
      VALUES (${orgId}, ${runId}, ${id}, ${stepKey}, ${name}, ${contentType}) ON CONFLICT DO NOTHING`);
    return others;
  });
}

/** Adds a piece; false when the file is gone, because a later attempt has begun. */
export async function writeFileChunk(
  db: Database,
  { orgId, runId }: FileOwner,
  { fileId, number, data }: { fileId: string; number: number; data: Buffer },
): Promise<boolean> {
  try {
    await withOrg(db, orgId, (tx) =>
      tx.execute(sql`
        INSERT INTO app.workflow_run_file_chunks (org_id, run_id, file_id, number, data)
        VALUES (${orgId}, ${runId}, ${fileId}, ${number}, ${data}) ON CONFLICT DO NOTHING`),
    );
    return true;
  } catch (error) {
    if (sqlStateOf(error) === '23503') return false;
    throw error;
  }
}

/** From now on the file can be read. Answers the bytes of all files of its run; null when the file is gone. */
export async function endRunFile(
  db: Database,
  { orgId, runId }: FileOwner,
  { fileId, sizeBytes }: { fileId: string; sizeBytes: number },
): Promise<number | null> {
  return withOrg(db, orgId, async (tx) => {
    const { rowCount } = await tx.execute(sql`
      UPDATE app.workflow_run_files SET size_bytes = ${sizeBytes}
      WHERE org_id = ${orgId} AND run_id = ${runId} AND id = ${fileId}`);
    return rowCount === 0 ? null : sumOfFiles(tx, runId);
  });
}

export async function removeRunFile(db: Database, { orgId, runId }: FileOwner, fileId: string): Promise<void> {
  await withOrg(db, orgId, (tx) =>
    tx.execute(sql`
      DELETE FROM app.workflow_run_files WHERE org_id = ${orgId} AND run_id = ${runId} AND id = ${fileId}`),
  );
}

async function sumOfFiles(tx: OrgTx, runId: string): Promise<number> {
  const { rows } = await tx.execute<{ sum: string }>(sql`
    SELECT coalesce(sum(size_bytes), 0) AS sum FROM app.workflow_run_files
    WHERE org_id = ${tx.orgId} AND run_id = ${runId}`);
  return Number(rows[0]?.sum);
}

/** A whole file of this run of this workflow; null when there is none. `fileId` must be a UUID. */
export async function findRunFile(
  tx: OrgTx,
  { workflowId, runId, fileId }: { workflowId: string; runId: string; fileId: string },
): Promise<StoredFile | null> {
  const { rows } = await tx.execute<StoredRow>(sql`
    SELECT ${STORED} FROM app.workflow_run_files f JOIN app.workflow_runs r ON r.org_id = f.org_id AND r.id = f.run_id
    WHERE f.org_id = ${tx.orgId} AND f.run_id = ${runId} AND f.id = ${fileId} AND f.size_bytes IS NOT NULL
      AND r.workflow_id = ${workflowId}`);
  return toStored(rows[0]);
}

/** A whole file of this run, or of one above it that started it as a step; null when there is none. */
export async function findReadableFile(
  db: Database,
  { orgId, runId }: { orgId: string; runId: string },
  fileId: string,
): Promise<StoredFile | null> {
  return withOrg(db, orgId, async (tx) => {
    const { rows } = await tx.execute<StoredRow>(sql`
      WITH RECURSIVE up AS (
        SELECT r.id, r.parent_run_id FROM app.workflow_runs r WHERE r.org_id = ${orgId} AND r.id = ${runId}
        UNION
        SELECT p.id, p.parent_run_id FROM up JOIN app.workflow_runs p ON p.org_id = ${orgId} AND p.id = up.parent_run_id
      )
      SELECT ${STORED} FROM up JOIN app.workflow_run_files f ON f.org_id = ${orgId} AND f.run_id = up.id
      WHERE f.id = ${fileId} AND f.size_bytes IS NOT NULL`);
    return toStored(rows[0]);
  });
}

const STORED = sql`f.id, f.run_id AS "runId", f.name, f.content_type AS "contentType", f.size_bytes AS "sizeBytes"`;
type StoredRow = Omit<StoredFile, 'sizeBytes'> & { sizeBytes: string };

function toStored(row: StoredRow | undefined): StoredFile | null {
  return row ? { ...row, sizeBytes: Number(row.sizeBytes) } : null;
}

/** One piece of it, of which there are as many as its size needs. Throws when the run was removed meanwhile. */
export async function readFileChunk(
  db: Database,
  orgId: string,
  { runId, id }: StoredFile,
  number: number,
): Promise<Buffer> {
  const { rows } = await withOrg(db, orgId, (tx) =>
    tx.execute<{ data: Buffer }>(sql`
      SELECT c.data FROM app.workflow_run_file_chunks c
      WHERE c.org_id = ${orgId} AND c.run_id = ${runId} AND c.file_id = ${id} AND c.number = ${number}`),
  );
  if (!rows[0]) throw new Error('the file was removed while it was read');
  return rows[0].data;
}
