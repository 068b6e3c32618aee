import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { and, eq, type SQL, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendAudit, hashAuditEntry } from './audit.ts';
import { type AuditProblem, type AuditVerdict, findAuditHash, verifyAudit } from './audit-verify.ts';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { auditHeads, auditLog } from './schema/audit-log.ts';
import { organizations } from './schema/organizations.ts';
import { type OrgTx, withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

const LENGTH = 1000;
/** The ends, the middle, and both sides of the border between two pages. */
const PLACES = [1, 2, 500, 501, 999, 1000];

let database: TestDatabase;
let api: Database;
let superuser: Database;
let orgId: string;
let otherOrgId: string;
let tamperings = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  const options = { poolSize: 4, applicationName: 'audit-verify-test', onError: () => undefined };
  api = connectDatabase({ ...options, url: database.apiUrl });
  superuser = connectDatabase({ ...options, url: database.adminUrl });
  orgId = await newOrganization(LENGTH);
  otherOrgId = await newOrganization(3);
});

afterAll(async () => {
  await Promise.all([closeDatabase(api), closeDatabase(superuser)]);
  await database.drop();
});

async function newOrganization(length: number): Promise<string> {
  const id = newId();
  await withOrg(api, id, async (tx) => {
    await tx.insert(organizations).values({ id, slug: id, name: 'Org' });
    for (let index = 1; index <= length; index += 1) await append(tx, index);
  });
  return id;
}

/** Every second entry has an origin, every third an API key. */
function append(tx: OrgTx, index: number) {
  return appendAudit(tx, {
    actorUserId: newId(),
    actorApiKeyId: index % 3 === 0 ? newId() : null,
    ...(index % 2 === 0 && { ipAddress: '192.0.2.1', userAgent: 'curl', requestId: newId() }),
    action: 'workflow.update',
    subjectType: 'workflow',
    subjectId: newId(),
    data: { index, nested: { list: [index, null, 'ü'] } },
  });
}

class RollBack extends Error {}

/** What the verifier says after a superuser who has switched every trigger and check off did this; then all is undone. */
async function verdictAfter(tamper: (tx: OrgTx) => Promise<unknown>): Promise<AuditVerdict | undefined> {
  let verdict: AuditVerdict | undefined;
  const work = withOrg(superuser, orgId, async (tx) => {
    await tx.execute(
      sql`alter table app.audit_log drop constraint audit_log_check, drop constraint audit_log_seq_check`,
    );
    await tx.execute(sql`set local session_replication_role = replica`);
    await tamper(tx);
    verdict = await verifyAudit(tx);
    throw new RollBack();
  });
  await expect(work).rejects.toBeInstanceOf(RollBack);
  tamperings += 1;
  return verdict;
}

const broken = (seq: number, problem: AuditProblem) => ({ ok: false, seq, problem });

const at = (tx: OrgTx, seq: number) => and(eq(auditLog.orgId, tx.orgId), eq(auditLog.seq, seq));

async function read(tx: OrgTx, seq: number) {
  const [entry] = await tx.select().from(auditLog).where(at(tx, seq));
  if (!entry) throw new Error(`there is no entry ${seq}`);
  return entry;
}

/** Moves all entries from `from` on by one place, in an order that never meets a taken number. */
async function moveAll(tx: OrgTx, from: number, by: 1 | -1): Promise<void> {
  const where = sql`where org_id = ${tx.orgId} and seq >= ${from}`;
  await tx.execute(sql`update app.audit_log set seq = -seq ${where}`);
  await tx.execute(sql`update app.audit_log set seq = -seq + ${by}::integer where org_id = ${tx.orgId} and seq < 0`);
}

it('finds nothing in a chain that nobody touched, and says how long it is and where it ends', async () => {
  for (const db of [api, superuser]) {
    const progress: number[] = [];
    const verdict = await withOrg(db, orgId, (tx) => verifyAudit(tx, (count) => progress.push(count)));
    const head = { seq: LENGTH, hash: await withOrg(db, orgId, (tx) => findAuditHash(tx, LENGTH)) };
    expect(verdict).toEqual({ ok: true, count: LENGTH, head });
    expect(progress).toEqual([500, 1000]);
  }
});

it('finds nothing while entries are being appended', async () => {
  const growing = await newOrganization(1);
  let isAppending = true;
  const writers = Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let index = 0; index < 100; index += 1) await withOrg(api, growing, (tx) => append(tx, index));
    }),
  ).finally(() => {
    isAppending = false;
  });
  let verified = 0;
  while (isAppending) {
    expect(await withOrg(superuser, growing, (tx) => verifyAudit(tx))).toMatchObject({ ok: true });
    verified += 1;
  }
  await writers;
  expect(verified).toBeGreaterThan(5);
  expect(await withOrg(api, growing, (tx) => verifyAudit(tx))).toMatchObject({ ok: true, count: 301 });
});

it('takes an organization without entries for whole, until its head tells otherwise', async () => {
  const empty = newId();
  await withOrg(api, empty, (tx) => tx.insert(organizations).values({ id: empty, slug: empty, name: 'Org' }));
  expect(await withOrg(api, empty, (tx) => verifyAudit(tx))).toEqual({ ok: true, count: 0, head: null });
});

describe('S3: a superuser changes the log of 1,000 entries', () => {
  it('any column of an entry', async () => {
    const { rows } = await superuser.pool.query<{ name: string; type: string }>(
      `SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute
       WHERE attrelid = 'app.audit_log'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    );
    expect(rows).toHaveLength(14);
    for (const { name, type } of rows) {
      const column = sql.identifier(name);
      for (const seq of PLACES) {
        const verdict = await verdictAfter(async (tx) => {
          const where = sql`where org_id = ${tx.orgId} and seq = ${seq}`;
          await tx.execute(sql`update app.audit_log set ${column} = ${otherValue(name, type)} ${where}`);
        });
        let expected: AuditProblem = 'altered';
        if (name === 'seq') expected = 'missing';
        if (name === 'org_id') expected = seq === LENGTH ? 'tailCut' : 'missing';
        expect(verdict, `${name} of ${seq}`).toEqual(broken(seq, expected));
      }
    }
  });

  it.each(PLACES)('an entry and its hash with it: %i', async (seq) => {
    for (const change of [{ action: 'forged.entry' }, { ipAddress: '203.0.113.9' }, { data: {} }]) {
      const verdict = await verdictAfter(async (tx) => {
        const entry = { ...(await read(tx, seq)), ...change };
        await tx
          .update(auditLog)
          .set({ ...change, hash: hashAuditEntry(entry) })
          .where(at(tx, seq));
      });
      expect(verdict).toEqual(broken(seq, seq === LENGTH ? 'headMismatch' : 'altered'));
    }
  });

  it.each(PLACES.slice(1))('the link of an entry and its hash with it: %i', async (seq) => {
    const verdict = await verdictAfter(async (tx) => {
      const prevHash = Buffer.alloc(32, 7);
      const hash = hashAuditEntry({ ...(await read(tx, seq)), prevHash });
      await tx.update(auditLog).set({ prevHash, hash }).where(at(tx, seq));
    });
    expect(verdict).toEqual(broken(seq, 'altered'));
  });

  it.each(PLACES)('removes one: %i', async (seq) => {
    const remove = (tx: OrgTx) => tx.delete(auditLog).where(at(tx, seq));
    expect(await verdictAfter(remove)).toEqual(broken(seq, seq === LENGTH ? 'tailCut' : 'missing'));
    const closeGap = async (tx: OrgTx) => {
      await remove(tx);
      await moveAll(tx, seq + 1, -1);
    };
    expect(await verdictAfter(closeGap)).toEqual(broken(seq, seq === LENGTH ? 'tailCut' : 'missing'));
  });

  it.each(PLACES)('puts one in, or two, with hashes that fit: before %i', async (seq) => {
    for (const count of [1, 2]) {
      const verdict = await verdictAfter(async (tx) => {
        for (let index = 0; index < count; index += 1) {
          await moveAll(tx, seq + index, 1);
          const place = seq + index;
          const prevHash = place === 1 ? null : await findAuditHash(tx, place - 1);
          const forged = { ...(await read(tx, place + 1)), seq: place, prevHash, action: 'forged.entry' };
          await tx.insert(auditLog).values({ ...forged, hash: hashAuditEntry(forged) });
        }
      });
      expect(verdict).toEqual(broken(seq, 'inserted'));
    }
  });

  it.each(PLACES)('puts one in whose hash does not fit: before %i', async (seq) => {
    const verdict = await verdictAfter(async (tx) => {
      await moveAll(tx, seq, 1);
      await tx.insert(auditLog).values({ ...(await read(tx, seq + 1)), seq, hash: Buffer.alloc(32, 9) });
    });
    expect(verdict).toEqual(broken(seq, 'inserted'));
  });

  it('puts one behind the end, with a hash that fits or not, or one of another organization', async () => {
    for (const isFitting of [true, false]) {
      const verdict = await verdictAfter(async (tx) => {
        const last = await read(tx, LENGTH);
        const forged = { ...last, seq: LENGTH + 1, prevHash: last.hash };
        await tx.insert(auditLog).values({ ...forged, hash: isFitting ? hashAuditEntry(forged) : last.hash });
      });
      expect(verdict).toEqual(broken(LENGTH + 1, 'inserted'));
    }
    const moved = await verdictAfter((tx) =>
      tx.execute(
        sql`update app.audit_log set org_id = ${tx.orgId}, seq = ${LENGTH + 1} where org_id = ${otherOrgId} and seq = 3`,
      ),
    );
    expect(moved).toEqual(broken(LENGTH + 1, 'inserted'));
  });

  it('puts one before the first', async () => {
    const verdict = await verdictAfter(async (tx) => tx.insert(auditLog).values({ ...(await read(tx, 1)), seq: 0 }));
    expect(verdict).toEqual(broken(0, 'inserted'));
  });

  it.each([
    [1, 2],
    [1, 1000],
    [2, 501],
    [500, 501],
    [998, 999],
    [999, 1000],
  ])('swaps %i and %i', async (one, two) => {
    const verdict = await verdictAfter(async (tx) => {
      const swap = (from: number, to: number) => tx.update(auditLog).set({ seq: to }).where(at(tx, from));
      await swap(one, -1);
      await swap(two, one);
      await swap(-1, two);
    });
    expect(verdict).toEqual(broken(one, 'swapped'));
  });

  it.each(PLACES)('cuts the tail off: from %i on', async (seq) => {
    const verdict = await verdictAfter((tx) =>
      tx.execute(sql`delete from app.audit_log where org_id = ${tx.orgId} and seq >= ${seq}`),
    );
    expect(verdict).toEqual(broken(seq, 'tailCut'));
  });

  it.each<[string, SQL, AuditVerdict]>([
    ['removes it', sql`delete from app.audit_heads`, { ok: false, seq: 1000, problem: 'headMismatch' }],
    [
      'its hash',
      sql`update app.audit_heads set hash = sha256(hash)`,
      { ok: false, seq: 1000, problem: 'headMismatch' },
    ],
    ['sets it back', sql`update app.audit_heads set seq = 900`, { ok: false, seq: 900, problem: 'headMismatch' }],
    ['sets it ahead', sql`update app.audit_heads set seq = 1001`, { ok: false, seq: 1001, problem: 'tailCut' }],
  ])('touches the head: %s', async (_name, change, expected) => {
    expect(await verdictAfter((tx) => tx.execute(sql`${change} where org_id = ${tx.orgId}`))).toEqual(expected);
  });

  it('sets the head back to an entry that was the last once', async () => {
    const verdict = await verdictAfter(async (tx) => {
      const hash = await findAuditHash(tx, 900);
      if (!hash) throw new Error('there is no entry 900');
      await tx.update(auditHeads).set({ seq: 900, hash }).where(eq(auditHeads.orgId, tx.orgId));
    });
    expect(verdict).toEqual(broken(901, 'inserted'));
  });

  it('leaves no doubt about any of it', async () => {
    expect(await withOrg(superuser, orgId, (tx) => verifyAudit(tx))).toMatchObject({ ok: true, count: LENGTH });
    expect(tamperings).toBeGreaterThan(150);
    reportFigure(
      'S3 audit chain',
      `${LENGTH} entries, ${tamperings} tamperings by a superuser, all named by their number`,
    );
  });
});

/** A value that differs from the stored one, as SQL. */
function otherValue(name: string, type: string): SQL {
  const column = sql.identifier(name);
  if (name === 'seq') return sql`seq + 5000`;
  if (type === 'uuid') return sql`gen_random_uuid()`;
  if (type === 'text') return sql`coalesce(${column}, '') || 'x'`;
  if (type === 'jsonb') return sql`jsonb_set(${column}, '{nested,list,0}', '-1')`;
  if (type === 'bytea') return sql`sha256(coalesce(${column}, 'x'))`;
  return sql`${column} + interval '1 ms'`;
}
