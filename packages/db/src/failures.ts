import pg from 'pg';

/** Reads what PostgreSQL or the way to it said through an error, also when a library wrapped it as its `cause`. */

/** The name of the unique constraint or index that refused a row, null for any other error. */
export function violatedUniqueKey(error: unknown): string | null {
  const found = findDatabaseError(error);
  return found?.code === '23505' ? (found.constraint ?? '') : null;
}

/**
 * Whether two changes met: serialization failure, deadlock, or a row that was referred to went away at the same moment.
 * Nothing of the change that lost was stored. Any other broken foreign key is a fault of ours and no collision.
 */
export function isCollision(error: unknown): boolean {
  const found = findDatabaseError(error);
  if (found?.code === '23503') return KEY_TO_WHAT_MAY_VANISH.test(found.constraint ?? '');
  return isRolledBackByOthers(error);
}

/** Whether PostgreSQL rolled the transaction back for the sake of others: serialization failure or deadlock. */
export function isRolledBackByOthers(error: unknown): boolean {
  return ['40001', '40P01'].includes(sqlStateOf(error) ?? '');
}

/**
 * The foreign keys that lead to what people delete while others work with it: organizations, workflows with their
 * versions, and runs. These are PostgreSQL's own names, made of the table and its columns.
 */
export const KEY_TO_WHAT_MAY_VANISH = /_org_id(_workflow_id(_version)?|(_retry_of|_parent)?_run_id)?_fkey$/;

/** The SQLSTATE of the error, null when PostgreSQL did not answer it. */
export function sqlStateOf(error: unknown): string | null {
  return findDatabaseError(error)?.code ?? null;
}

/**
 * Whether the database could not be reached or sent us away: the same call may work later. Covers refused and broken
 * sockets, shutdown and start-up (class 57P), connection failures (class 08) and too many connections (53300).
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state !== null) return /^(08|57P0|53300)/.test(state);
  return causes(error).some((cause) => SOCKET_CODES.has(codeOf(cause)) || CONNECTION_LOST.test(cause.message));
}

/**
 * Whether the very same call may work later: also when PostgreSQL gave the statement up for reasons of its own. Covers
 * rollback by deadlock or serialization (class 40), lack of resources such as a full disk (53), a cancelled statement
 * (57014), failing storage (58) and a server that is read-only during a failover (25006).
 */
export function isDatabaseTransient(error: unknown): boolean {
  const state = sqlStateOf(error);
  return isDatabaseUnavailable(error) || (state !== null && /^(40|53|57014|58|25006)/.test(state));
}

const SOCKET_CODES = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
  'EPROTO',
  'ENOTFOUND',
  'ENOENT',
]);

/** pg gives these no code: no free connection in time, no answer in time, a connection that ended under a query. */
const CONNECTION_LOST =
  /timeout exceeded when trying to connect|^Query read timeout|^Connection terminated|Client has encountered a connection error/;

function findDatabaseError(error: unknown): pg.DatabaseError | null {
  const found = causes(error).find((cause) => cause instanceof pg.DatabaseError);
  return found instanceof pg.DatabaseError ? found : null;
}

/** The error and what caused it, outermost first; several refused addresses come as one AggregateError. */
function causes(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [error, ...inner.flatMap(causes)];
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
