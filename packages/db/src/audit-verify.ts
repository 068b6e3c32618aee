import { and, asc, eq, gt, isNull, max, ne } from 'drizzle-orm';
import { hashAuditEntry, type StoredAuditEntry } from './audit.ts';
import { auditHeads, auditLog } from './schema/audit-log.ts';
import type { OrgTx } from './tenant.ts';

/** What is wrong with a chain at `seq`; see `verifyAudit`. */
export type AuditProblem = 'altered' | 'missing' | 'inserted' | 'swapped' | 'tailCut' | 'headMismatch';

export interface AuditPoint {
  seq: number;
  hash: Buffer;
}

export type AuditVerdict =
  /** Every entry is what was written; `head` is the last one, null for an empty log. */
  | { ok: true; count: number; head: AuditPoint | null }
  /** `seq` is the first entry that is not what was written there. */
  | { ok: false; seq: number; problem: AuditProblem };

/** Entries read at once: at most a few megabytes, whatever the length of the chain. */
const PAGE = 500;

/**
 * Reads the organization's chain in order, a page at a time, and recomputes it. Names the first entry that is not what
 * was written:
 * - altered: some column of it was changed, its hash perhaps recomputed
 * - missing: it was removed, whether or not later entries were moved up
 * - inserted: it was put in, before others or behind the head
 * - swapped: what stands there belongs to another place, whose entry stands here
 * - tailCut: it and all after it were removed
 * - headMismatch: the last entry and the head disagree, so one of them was changed
 *
 * Entries that are appended meanwhile do no harm. `onProgress` hears the number of entries read so far after each page.
 * Somebody who may write everything can write a whole new chain with a head that fits: only a head that was kept
 * elsewhere tells. Compare it by `findAuditHash`.
 */
export async function verifyAudit(tx: OrgTx, onProgress?: (count: number) => void): Promise<AuditVerdict> {
  let last: StoredAuditEntry | null = null;
  for (;;) {
    const page = await readAfter(tx, last?.seq ?? 0, PAGE);
    for (const entry of page) {
      if (!continues(last, entry)) return { ok: false, ...(await diagnose(tx, last, entry)) };
      last = entry;
    }
    if (last && page.length > 0) onProgress?.(last.seq);
    const verdict = page.length < PAGE ? await compareHead(tx, last) : null;
    if (verdict) return verdict;
  }
}

/** The hash of one entry, null when it is not there: for comparing with what was noted of it earlier. */
export async function findAuditHash(tx: OrgTx, seq: number): Promise<Buffer | null> {
  const rows = await tx
    .select({ hash: auditLog.hash })
    .from(auditLog)
    .where(and(eq(auditLog.orgId, tx.orgId), eq(auditLog.seq, seq)));
  return rows[0]?.hash ?? null;
}

function continues(last: StoredAuditEntry | null, entry: StoredAuditEntry): boolean {
  return entry.seq === (last?.seq ?? 0) + 1 && isLinked(entry, last?.hash ?? null) && isWhole(entry);
}

/** Null while more entries wait to be read: the head was read after them, and has moved on if they were appended. */
async function compareHead(tx: OrgTx, last: StoredAuditEntry | null): Promise<AuditVerdict | null> {
  const head = await findHead(tx);
  const count = last?.seq ?? 0;
  const headSeq = head?.seq ?? 0;
  if (headSeq > count) {
    const appended = await findAuditHash(tx, count + 1);
    return appended ? null : { ok: false, seq: count + 1, problem: 'tailCut' };
  }
  if (!last) return { ok: true, count: 0, head: null };
  if (!head) return { ok: false, seq: count, problem: 'headMismatch' };
  const atHead = headSeq === count ? last.hash : await findAuditHash(tx, headSeq);
  if (!atHead?.equals(head.hash)) return { ok: false, seq: headSeq, problem: 'headMismatch' };
  if (headSeq < count) return { ok: false, seq: headSeq + 1, problem: 'inserted' };
  return { ok: true, count, head: { seq: count, hash: last.hash } };
}

/** What is wrong with an entry that does not continue what was read so far. */
async function diagnose(
  tx: OrgTx,
  last: StoredAuditEntry | null,
  entry: StoredAuditEntry,
): Promise<{ seq: number; problem: AuditProblem }> {
  const seq = (last?.seq ?? 0) + 1;
  if (entry.seq < seq) return { seq: entry.seq, problem: 'inserted' };
  if (entry.seq > seq) return { seq, problem: 'missing' };
  const before = await findSeqOf(tx, entry.prevHash);
  // What it links to stands further back: others were put in between, fit to deceive, and it was moved back.
  if (before !== null && before < seq - 1 && isWhole({ ...entry, seq: before + 1 }))
    return { seq: before + 1, problem: 'inserted' };
  if (!isWhole(entry)) return { seq, problem: await judgeUnfit(tx, last, entry) };
  // Whole in itself, but it hangs on something else: either its link or the entry before was replaced. Whom the next one
  // believes was not touched.
  const [next] = await readAfter(tx, seq, 1);
  const isBelieved = next ? isLinked(next, entry.hash) : (await findHead(tx))?.hash.equals(entry.hash);
  return { seq: isBelieved && last ? last.seq : seq, problem: 'altered' };
}

/** Of an entry that stands in its place by number, and whose hash does not fit its content. */
async function judgeUnfit(tx: OrgTx, last: StoredAuditEntry | null, entry: StoredAuditEntry): Promise<AuditProblem> {
  const { seq } = entry;
  const headSeq = (await findHead(tx))?.seq ?? 0;
  if (seq > headSeq) return 'inserted';
  const rightful = await findSuccessor(tx, last?.hash ?? null, seq);
  if (rightful && isWhole({ ...rightful, seq }))
    return isWhole({ ...entry, seq: rightful.seq }) ? 'swapped' : 'inserted';
  const movedUpBy = headSeq - (await findLastSeq(tx));
  return movedUpBy > 0 && isWhole({ ...entry, seq: seq + movedUpBy }) ? 'missing' : 'altered';
}

async function findHead(tx: OrgTx): Promise<AuditPoint | undefined> {
  const rows = await tx.select().from(auditHeads).where(eq(auditHeads.orgId, tx.orgId));
  return rows[0];
}

function readAfter(tx: OrgTx, seq: number, limit: number): Promise<StoredAuditEntry[]> {
  const isAfter = seq === 0 ? undefined : gt(auditLog.seq, seq); // also entries that claim a place before the first
  return tx
    .select()
    .from(auditLog)
    .where(and(eq(auditLog.orgId, tx.orgId), isAfter))
    .orderBy(asc(auditLog.seq))
    .limit(limit);
}

/** Where the entry with this hash stands, 0 for the start of the chain; null when there is none. */
async function findSeqOf(tx: OrgTx, hash: Buffer | null): Promise<number | null> {
  if (hash === null) return 0;
  const rows = await tx
    .select({ seq: auditLog.seq })
    .from(auditLog)
    .where(and(eq(auditLog.orgId, tx.orgId), eq(auditLog.hash, hash)))
    .limit(1);
  return rows[0]?.seq ?? null;
}

/** The entry that was written after the one with this hash, when it stands somewhere else than at `seq`. */
async function findSuccessor(tx: OrgTx, hash: Buffer | null, seq: number): Promise<StoredAuditEntry | undefined> {
  const isSuccessor = hash ? eq(auditLog.prevHash, hash) : isNull(auditLog.prevHash);
  const rows = await tx
    .select()
    .from(auditLog)
    .where(and(eq(auditLog.orgId, tx.orgId), ne(auditLog.seq, seq), isSuccessor))
    .limit(1);
  return rows[0];
}

async function findLastSeq(tx: OrgTx): Promise<number> {
  const rows = await tx
    .select({ seq: max(auditLog.seq) })
    .from(auditLog)
    .where(eq(auditLog.orgId, tx.orgId));
  return rows[0]?.seq ?? 0;
}

function isLinked(entry: StoredAuditEntry, hash: Buffer | null): boolean {
  return hash === null ? entry.prevHash === null : (entry.prevHash?.equals(hash) ?? false);
}

/** Its hash is that of its own columns, the link among them. */
function isWhole(entry: StoredAuditEntry): boolean {
  return hashAuditEntry(entry).equals(entry.hash);
}
