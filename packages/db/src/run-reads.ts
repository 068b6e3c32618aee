import type { Run, Step } from '@millrace/shared/contracts/runs';
import { type Database, readHot } from './connect.ts';
import type { Authorization } from './lookups.ts';
import type { RoleKey } from './schema/roles.ts';
import { assertUuid } from './uuid.ts';

/** Reads of a run in one round trip, by the second door: the database names the organization and clears the name itself. */

/** A run and its steps as the API shows them: the database writes the document, times in it are ISO-8601 in UTC. */
export interface RunDocument {
  run: Run;
  steps: Step[];
}

export interface RunAddress {
  orgId: string;
  workflowId: string;
  runId: string;
}

/** The run at this address, null when there is none. It does not check membership; authorize first. */
export async function readRun(db: Database, address: RunAddress): Promise<RunDocument | null> {
  const rows = await readHot<{ document: RunDocument | null }>(db, READ_RUN, addressValues(address), db.runReads);
  return rows[0]?.document ?? null;
}

/**
 * `authorize` and `readRun` in one round trip, in this order and by the same rules: without an active session and a
 * membership nothing is read, and `run` is null.
 */
export async function authorizeAndReadRun(
  db: Database,
  who: { sessionId: string; userId: string },
  address: RunAddress,
): Promise<Authorization & { run: RunDocument | null }> {
  assertUuid(who.sessionId, 'sessionId');
  assertUuid(who.userId, 'userId');
  const values = [who.sessionId, who.userId, ...addressValues(address)];
  const rows = await readHot<{
    is_session_active: boolean;
    role_key: RoleKey | null;
    document: RunDocument | null;
  }>(db, AUTHORIZE_AND_READ_RUN, values, db.runReads);
  const row = rows[0];
  return {
    isSessionActive: row?.is_session_active ?? false,
    roleKey: row?.role_key ?? null,
    run: row?.document ?? null,
  };
}

function addressValues({ orgId, workflowId, runId }: RunAddress): string[] {
  assertUuid(orgId, 'orgId');
  assertUuid(workflowId, 'workflowId');
  assertUuid(runId, 'runId');
  return [orgId, workflowId, runId];
}

const READ_RUN = {
  name: 'read-run',
  text: 'SELECT app.read_run($1::uuid, $2::uuid, $3::uuid) AS document',
};

const AUTHORIZE_AND_READ_RUN = {
  name: 'authorize-and-read-run',
  text: `SELECT is_session_active, role_key, document
    FROM app.authorize_and_read_run($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid)`,
};
