import { type Database, queryHot } from './connect.ts';
import { assertUuid } from './uuid.ts';

/** The places of workflows with `settings.concurrency`: see docs/adr/0016-fair-admission.md. */

export interface PlaceRequest {
  orgId: string;
  workflowId: string;
  runId: string;
  leaseToken: number;
  /** At most 200 characters; '' without a key. */
  key: string;
  limit: number;
  whenFull: 'queue' | 'skip' | 'cancelOldest';
}

export interface PlaceAnswer {
  /**
   * `entered`: the run may begin. `held`: it was given up and waits for a place. `full`: there is none, and it does not wait.
   * `cancelled`: somebody had cancelled it before it began to wait. `fenced`: another owner has taken over.
   */
  outcome: 'entered' | 'held' | 'full' | 'cancelled' | 'fenced';
  /** Runs that got a place: wake a worker for each. */
  woken: string[];
  /** Runs whose owner was told to end them: ring for each. */
  told: string[];
  /** Runs that were cancelled here and now. */
  ended: { runId: string; attemptCount: number; durationMs: number; ageMs: number }[];
}

/** A run that its caller owns asks for a place before it begins. May be asked again when an answer was lost. */
export async function enterConcurrency(db: Database, request: PlaceRequest): Promise<PlaceAnswer> {
  const { orgId, workflowId, runId, leaseToken, key, limit, whenFull } = request;
  for (const id of [orgId, workflowId, runId]) assertUuid(id, 'id');
  const [answer] = await queryHot<PlaceAnswer>(db, ENTER, [orgId, workflowId, runId, leaseToken, key, limit, whenFull]);
  if (answer === undefined) throw new Error('a request for a place was not answered');
  return answer;
}

/** Gives the place of an ended run on; answers the runs that got one: wake a worker for each. */
export async function leaveConcurrency(db: Database, orgId: string, runId: string): Promise<string[]> {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
  const [row] = await queryHot<{ woken: string[] }>(db, LEAVE, [orgId, runId]);
  return row?.woken ?? [];
}

/** The same for at most `limit` runs that ended and whose owner did not; none while another process asks. */
export async function giveOnLeftPlaces(db: Database, limit: number): Promise<{ orgId: string; runId: string }[]> {
  const { rows } = await db.pool.query<{ orgId: string; runId: string }>(
    'SELECT org_id AS "orgId", id AS "runId" FROM sys.left_places($1)',
    [limit],
  );
  const woken: { orgId: string; runId: string }[] = [];
  for (const { orgId, runId } of rows) {
    for (const next of await leaveConcurrency(db, orgId, runId)) woken.push({ orgId, runId: next });
  }
  return woken;
}

const ENTER = {
  name: 'enter-concurrency',
  text: `SELECT outcome, woken, told, ended
    FROM app.enter_concurrency($1::uuid, $2::uuid, $3::uuid, $4::bigint, $5::text, $6::integer, $7::text)`,
};
const LEAVE = { name: 'leave-concurrency', text: 'SELECT app.leave_concurrency($1::uuid, $2::uuid) AS woken' };
