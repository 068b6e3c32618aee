import type { Database } from './connect.ts';
import type { accountMails } from './schema/account-mail.ts';

/** Taking due mails off the two outboxes. Each stays its taker's for `leaseSec`; after that anybody may take it again. */

type Row = typeof accountMails.$inferSelect;
export type TakenAccountMail = Pick<
  Row,
  'id' | 'userId' | 'template' | 'recipient' | 'data' | 'attempts' | 'createdAt'
> & {
  ageSec: number;
};

/** Due mails of accounts, longest due first; `attempts` already counts the one that begins now. */
export async function takeAccountMails(db: Database, limit: number, leaseSec: number): Promise<TakenAccountMail[]> {
  const { rows } = await db.pool.query<TakenAccountMail>(TAKE_ACCOUNT_MAILS, [limit, leaseSec]);
  return rows;
}

/**
 * The same for what organizations send, which take turns; the caller reads the rows inside `withOrg`. `busyOrgIds` names the
 * organization of each mail that the caller has under way.
 */
export async function takeOrgMails(
  db: Database,
  options: { limit: number; leaseSec: number; busyOrgIds: readonly string[] },
): Promise<{ orgId: string; id: string }[]> {
  const { rows } = await db.pool.query<{ orgId: string; id: string }>(
    'SELECT org_id AS "orgId", id FROM sys.take_org_mails($1, $2, $3)',
    [options.limit, options.leaseSec, options.busyOrgIds],
  );
  return rows;
}

/** Removes tokens of two days ago, at most so many: dead by then, and of no use to the limits of an hour. */
export async function purgeOldAccountTokens(db: Database, limit: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `DELETE FROM app.account_tokens WHERE id IN (
       SELECT id FROM app.account_tokens WHERE created_at < now() - interval '2 days' LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount ?? 0;
}

const TAKE_ACCOUNT_MAILS = `
  WITH due AS (
    SELECT id FROM app.account_mails WHERE next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
  UPDATE app.account_mails m SET attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
  FROM due WHERE m.id = due.id
  RETURNING m.id, m.user_id AS "userId", m.template, m.recipient, m.data, m.attempts, m.created_at AS "createdAt",
    extract(epoch FROM now() - m.created_at)::float8 AS "ageSec"`;
