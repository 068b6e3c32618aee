import { createHash } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { toJsonText } from './json-text.ts';
import { auditHeads, auditLog } from './schema/audit-log.ts';
import { organizations } from './schema/organizations.ts';
import type { OrgTx } from './tenant.ts';

export interface AuditEntry {
  /** Null for what the system did by itself. */
  actorUserId: string | null;
  /** The API key that acted for the person, if one did. */
  actorApiKeyId?: string | null;
  ipAddress?: string | null;
  userAgent?: string | null;
  requestId?: string | null;
  /** `noun.verb`, at most 100 characters. */
  action: string;
  subjectType: string;
  subjectId: string | null;
  /** Small, and never a secret: it is kept for good. */
  data?: Record<string, unknown>;
}

/** An entry as stored; `hash` covers every other field, and through `prevHash` every entry before it. */
export type StoredAuditEntry = typeof auditLog.$inferSelect;

/**
 * Appends to the organization's log, in the transaction of the change it tells about. Numbers have no gaps: the lock on
 * the organization's row makes writers take turns until they commit, so call it late in the transaction. Throws when
 * the organization does not exist.
 */
export async function appendAudit(tx: OrgTx, entry: AuditEntry): Promise<StoredAuditEntry> {
  const occurredAt = await lockOrganization(tx);
  const [last] = await tx.select().from(auditHeads).where(eq(auditHeads.orgId, tx.orgId));
  const row = {
    orgId: tx.orgId,
    seq: (last?.seq ?? 0) + 1,
    occurredAt,
    actorUserId: entry.actorUserId,
    actorApiKeyId: entry.actorApiKeyId ?? null,
    ipAddress: entry.ipAddress ?? null,
    userAgent: entry.userAgent ?? null,
    requestId: entry.requestId ?? null,
    action: entry.action,
    subjectType: entry.subjectType,
    subjectId: entry.subjectId,
    data: entry.data ?? {},
    prevHash: last?.hash ?? null,
  };
  const stored = { ...row, hash: hashAuditEntry(row) };
  await tx.insert(auditLog).values({ ...stored, data: sql`${toJsonText(stored.data)}::jsonb` });
  return stored; // the database itself moves the head, and refuses an entry that does not continue it
}

/**
 * SHA-256 over the previous hash and the canonical JSON of the entry (keys sorted, since jsonb keeps no key order). An
 * entry without any origin hashes as all did before origins were kept.
 */
export function hashAuditEntry(entry: Omit<StoredAuditEntry, 'hash'>): Buffer {
  const { orgId, seq, occurredAt, actorUserId, action, subjectType, subjectId, data, prevHash } = entry;
  const storedData = sortKeys(JSON.parse(JSON.stringify(data)));
  const origin = [entry.actorApiKeyId, entry.ipAddress, entry.userAgent, entry.requestId];
  const content = [orgId, seq, occurredAt, actorUserId, action, subjectType, subjectId, storedData];
  if (origin.some((value) => value !== null)) content.push(...origin);
  return createHash('sha256')
    .update(prevHash ?? Buffer.alloc(0))
    .update(JSON.stringify(content))
    .digest();
}

/** NO KEY UPDATE: other transactions may still refer to the organization meanwhile, only audit writers wait. */
async function lockOrganization(tx: OrgTx): Promise<Date> {
  const [row] = await tx
    .select({ now: sql<string>`extract(epoch from date_trunc('milliseconds', clock_timestamp())) * 1000` })
    .from(organizations)
    .where(eq(organizations.id, tx.orgId))
    .for('no key update');
  if (!row) throw new Error('there is no such organization to keep an audit log for');
  return new Date(Number(row.now));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, child]) => [key, sortKeys(child)]));
}
