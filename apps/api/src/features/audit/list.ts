import { auditLog } from '@millrace/db/schema/audit-log';
import { users } from '@millrace/db/schema/users';
import { withOrg } from '@millrace/db/tenant';
import { DEFAULT_PAGE_SIZE } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { and, desc, eq, getTableColumns, gte, lt } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';

interface Filters {
  limit?: number | undefined;
  cursor?: string | undefined;
  action?: string | undefined;
  actorUserId?: string | undefined;
  /** Occurred at or after. */
  from?: string | undefined;
  /** Occurred before. */
  to?: string | undefined;
}

/** The organization's log, newest first, one keyset page. */
export async function listAuditEntries(context: OrgContext, filters: Filters) {
  const { limit = DEFAULT_PAGE_SIZE, cursor, action, actorUserId, from, to } = filters;
  const before = cursor === undefined ? undefined : readCursor(cursor);
  const { prevHash, hash, orgId, ...columns } = getTableColumns(auditLog); // the chain is for the verifier
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select({ ...columns, actorEmail: users.email })
      .from(auditLog)
      .leftJoin(users, eq(users.id, auditLog.actorUserId))
      .where(
        and(
          eq(auditLog.orgId, tx.orgId),
          action === undefined ? undefined : eq(auditLog.action, action),
          actorUserId === undefined ? undefined : eq(auditLog.actorUserId, actorUserId),
          from === undefined ? undefined : gte(auditLog.occurredAt, new Date(from)),
          to === undefined ? undefined : lt(auditLog.occurredAt, new Date(to)),
          before === undefined ? undefined : lt(auditLog.seq, before),
        ),
      )
      .orderBy(desc(auditLog.seq))
      .limit(limit + 1),
  );
  const page = rows.slice(0, limit);
  const nextCursor = rows.length > limit ? String(page.at(-1)?.seq) : null;
  return { entries: page.map((row) => ({ ...row, occurredAt: row.occurredAt.toISOString() })), nextCursor };
}

function readCursor(cursor: string): number {
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor);
  const message = 'must be a nextCursor of an earlier page';
  throw new AppError('BAD_REQUEST', undefined, { details: [{ path: 'querystring.cursor', code: 'CURSOR', message }] });
}
