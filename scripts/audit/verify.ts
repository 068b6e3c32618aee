import { type AuditPoint, type AuditProblem, findAuditHash, verifyAudit } from '../../packages/db/src/audit-verify.ts';
import type { Database } from '../../packages/db/src/connect.ts';
import { withOrg } from '../../packages/db/src/tenant.ts';
import { findTombstone, listOrganizations, type Organization } from './database.ts';
import type { Heads } from './heads.ts';

const PROGRESS_EVERY = 50_000;

const SENTENCES: Record<AuditProblem, string> = {
  altered: 'was altered',
  missing: 'is missing',
  inserted: 'was inserted',
  swapped: 'was swapped with another',
  tailCut: 'and all after it were cut off',
  headMismatch: 'does not fit the head of the chain: one of the two was changed',
};

export interface Outcome {
  brokenCount: number;
  /** Where the whole chains end now, and where those of organizations that are gone were noted to end. */
  heads: Heads;
}

interface Check {
  db: Database;
  noted: Heads;
  say: (line: string) => void;
}

/** Checks one organization after the other and says what it found, a line each. */
export async function verifyOrganizations(check: Check, orgId: string | undefined): Promise<Outcome> {
  const { db, noted, say } = check;
  const organizations = await listOrganizations(db, orgId);
  const heads: Heads = new Map();
  let brokenCount = 0;
  for (const organization of organizations) {
    const head = await verifyOrganization(check, organization);
    if (head === 'broken') brokenCount += 1;
    else if (head) heads.set(organization.id, head);
  }
  const whole = organizations.length - brokenCount;
  const known = new Set(organizations.map(({ id }) => id));
  const gone = orgId === undefined ? [...noted].filter(([id]) => !known.has(id)) : [];
  for (const [id, point] of gone) {
    if (await isBuried(check, id, point)) heads.set(id, point);
    else brokenCount += 1;
  }
  const count = (number: number) => number.toLocaleString('en-US');
  say(`${count(whole)} of ${count(organizations.length)} organizations have a whole audit log.`);
  return { brokenCount, heads };
}

/** The head of a whole chain, null for an empty one. */
async function verifyOrganization(check: Check, { id, slug }: Organization): Promise<AuditPoint | 'broken' | null> {
  const { db, say } = check;
  const name = `${slug} (${id})`;
  const tombstone = await findTombstone(db, id);
  if (tombstone) {
    say(`✗ ${name}: was deleted on ${tombstone.deletedAt.toISOString()} and is back; its log began anew`);
    return 'broken';
  }
  const verdict = await withOrg(db, id, (tx) => verifyAudit(tx, createProgress(name, say)));
  if (!verdict.ok) {
    say(`✗ ${name}: entry ${verdict.seq} ${SENTENCES[verdict.problem]}`);
    return 'broken';
  }
  const changed = await findRewritten(check, id);
  if (changed !== null) {
    say(`✗ ${name}: entry ${changed} is not the one that was noted; the log was written anew`);
    return 'broken';
  }
  const end = verdict.head ? `, the last one ${verdict.head.hash.toString('hex').slice(0, 16)}` : '';
  say(`✓ ${name}: ${verdict.count.toLocaleString('en-US')} entries${end}`);
  return verdict.head;
}

/** Whether an organization that is gone left a tombstone whose end of the log is the noted one or a later one. */
async function isBuried({ db, say }: Check, orgId: string, point: AuditPoint): Promise<boolean> {
  const tombstone = await findTombstone(db, orgId);
  if (!tombstone) {
    say(`✗ ${orgId} was noted and is gone without a tombstone: it was not deleted by a program`);
    return false;
  }
  const deleted = `was deleted on ${tombstone.deletedAt.toISOString()} after entry ${tombstone.seq}`;
  const isSame = tombstone.seq === point.seq && tombstone.hash?.equals(point.hash);
  const isFitting = tombstone.seq > point.seq || isSame === true;
  say(isFitting ? `- ${orgId} ${deleted}` : `✗ ${orgId} ${deleted}, which does not fit the noted entry ${point.seq}`);
  return isFitting;
}

/** The number of the entry that was noted, when another one stands there now. */
async function findRewritten({ db, noted }: Check, orgId: string): Promise<number | null> {
  const point = noted.get(orgId);
  if (!point) return null;
  const hash = await withOrg(db, orgId, (tx) => findAuditHash(tx, point.seq));
  return hash?.equals(point.hash) ? null : point.seq;
}

function createProgress(name: string, say: (line: string) => void): (count: number) => void {
  let next = PROGRESS_EVERY;
  return (count) => {
    if (count < next) return;
    say(`  ${name}: ${count.toLocaleString('en-US')} entries read …`);
    next = count + PROGRESS_EVERY;
  };
}
