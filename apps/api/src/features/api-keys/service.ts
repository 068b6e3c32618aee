import { apiKeys } from '@millrace/db/schema/api-keys';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { hasPermission, type Permission } from '@millrace/shared/permissions';
import { and, count, desc, eq, isNull, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { readPage, splitPage } from '../../http/page.ts';
import { auditChange } from '../audit/service.ts';
import { assertStillSignedIn } from '../auth/still-signed-in.ts';
import { findMembership, lockOrganization } from '../organizations/rows.ts';
import { hashApiKey, makeApiKey } from './key.ts';

type Row = typeof apiKeys.$inferSelect;
interface NewKey {
  name: string;
  permissions: Permission[];
  expiresAt?: string | null | undefined;
}

const LIVE_KEYS_MAX = 100;
const LIFE_YEARS_MAX = 5;
/** Enough to tell keys apart, far too little to guess the other 39 characters from. */
const HINT_LENGTH = 4;

/** The keys that were not revoked, newest first, one keyset page. */
export async function listApiKeys(
  context: OrgContext,
  query: { limit?: number | undefined; cursor?: string | undefined },
) {
  const { limit, after } = readPage(query);
  const { createdAt, id } = apiKeys;
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select()
      .from(apiKeys)
      .where(
        and(
          eq(apiKeys.orgId, tx.orgId),
          isNull(apiKeys.revokedAt),
          after && sql`(${createdAt}, ${id}) < (${after.createdAt.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1),
  );
  const { page, nextCursor } = splitPage(rows, limit);
  return { apiKeys: page.map(toApiKey), nextCursor };
}

/**
 * Makes a key that acts for the caller. The answer alone holds it: only its SHA-256 is stored. Throws 403 for a permission
 * that the caller's role lacks, 400 for an expiry that is past or more than 5 years away, 409 for the 101st live key.
 */
export async function createApiKey(context: OrgContext, body: NewKey) {
  const key = makeApiKey();
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    await assertStillSignedIn(context, tx);
    await assertMayGrant(context, tx, body.permissions);
    const expiresAt = readExpiry(body.expiresAt ?? null, await readClock(tx));
    await assertRoom(tx);
    const [row] = await tx
      .insert(apiKeys)
      .values({
        orgId: tx.orgId,
        id: newId(),
        name: body.name,
        keyHash: hashApiKey(key),
        keyHint: key.slice(-HINT_LENGTH),
        permissions: body.permissions,
        createdByUserId: context.userId,
        expiresAt,
      })
      .returning();
    if (!row) throw new Error('an insert returned no row');
    const { name, keyHint, permissions } = row;
    const granted = { name, keyHint, permissions, expiresAt: expiresAt?.toISOString() ?? null };
    await auditChange(context, tx, 'api-key.create', row.id, granted);
    return { apiKey: { ...toApiKey(row), key } };
  });
}

/** Ends a key, whoever made it; its next request is refused. Revoking twice is fine. Throws 404 for an unknown one. */
export async function revokeApiKey(context: OrgContext, apiKeyId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    const isKey = and(eq(apiKeys.orgId, tx.orgId), eq(apiKeys.id, apiKeyId));
    const [row] = await tx.select().from(apiKeys).where(isKey);
    if (!row) throw new AppError('NOT_FOUND');
    if (row.revokedAt) return { ok: true as const };
    await tx.update(apiKeys).set({ revokedAt: sql`clock_timestamp()` }).where(isKey);
    await auditChange(context, tx, 'api-key.revoke', apiKeyId, { name: row.name, keyHint: row.keyHint });
    return { ok: true as const };
  });
}

/** Read again under the lock: the caller may have been demoted after the request was let in. */
async function assertMayGrant(context: OrgContext, tx: OrgTx, permissions: Permission[]): Promise<void> {
  const maker = await findMembership(tx, context.userId);
  if (!maker) throw new AppError('ORG_ACCESS_DENIED');
  const needed: Permission[] = ['api-key:write', ...permissions];
  const lacking = needed.filter((permission) => !hasPermission(maker.roleKey, permission));
  if (lacking.length > 0)
    throw new AppError('FORBIDDEN', `Your role in this organization does not hold ${lacking.join(', ')}.`);
}

/** By the database's clock, which also decides whether a key has expired. */
function readExpiry(expiresAt: string | null, now: Date): Date | null {
  if (expiresAt === null) return null;
  const time = new Date(expiresAt);
  const latest = new Date(now);
  latest.setUTCFullYear(now.getUTCFullYear() + LIFE_YEARS_MAX);
  if (time <= now) throw badExpiry('must be in the future');
  if (time > latest) throw badExpiry(`must be at most ${LIFE_YEARS_MAX} years from now`);
  return time;
}

function badExpiry(message: string): AppError {
  return new AppError('BAD_REQUEST', undefined, { details: [{ path: 'expiresAt', code: 'EXPIRY', message }] });
}

async function readClock(tx: OrgTx): Promise<Date> {
  const { rows } = await tx.execute<{ ms: string }>(sql`select extract(epoch from clock_timestamp()) * 1000 as ms`);
  return new Date(Number(rows[0]?.ms));
}

/** Under the organization's lock, so two creates cannot both take the last place. */
async function assertRoom(tx: OrgTx): Promise<void> {
  const { orgId, revokedAt, expiresAt } = apiKeys;
  const isLive = and(eq(orgId, tx.orgId), isNull(revokedAt), sql`coalesce(${expiresAt} > clock_timestamp(), true)`);
  const [live] = await tx.select({ count: count() }).from(apiKeys).where(isLive);
  if ((live?.count ?? 0) < LIVE_KEYS_MAX) return;
  throw new AppError('CONFLICT', `An organization has at most ${LIVE_KEYS_MAX} API keys; revoke one first.`);
}

function toApiKey(row: Row) {
  return {
    id: row.id,
    organizationId: row.orgId,
    name: row.name,
    keyHint: row.keyHint,
    permissions: row.permissions,
    createdByUserId: row.createdByUserId,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}
