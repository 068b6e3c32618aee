import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@millrace/shared/ids';
import { asc, sql } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendAudit, hashAuditEntry } from './audit.ts';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { auditHeads, auditLog } from './schema/audit-log.ts';
import { organizations } from './schema/organizations.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  db = connectDatabase({ url: database.apiUrl, poolSize: 8, applicationName: 'audit-test', onError: () => {} });
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(db)]);
  await database.drop();
});

async function newOrganization(): Promise<string> {
  const id = newId();
  await withOrg(db, id, (tx) => tx.insert(organizations).values({ id, slug: id, name: 'Org' }));
  return id;
}

function append(orgId: string, data: Record<string, unknown> = {}): Promise<unknown> {
  return withOrg(db, orgId, (tx) =>
    appendAudit(tx, {
      actorUserId: null,
      action: 'workflow.publish',
      subjectType: 'workflow',
      subjectId: 'w',
      data,
    }),
  );
}

const entriesOf = (orgId: string) => withOrg(db, orgId, (tx) => tx.select().from(auditLog).orderBy(asc(auditLog.seq)));

/** The numbers of the entries whose hash or link to the entry before does not fit. */
function broken(entries: Awaited<ReturnType<typeof entriesOf>>): number[] {
  return entries
    .filter((entry, index) => {
      const before = entries[index - 1]?.hash ?? null;
      const isLinked = before === null ? entry.prevHash === null : (entry.prevHash?.equals(before) ?? false);
      return entry.seq !== index + 1 || !isLinked || !hashAuditEntry(entry).equals(entry.hash);
    })
    .map((entry) => entry.seq);
}

it('numbers entries without gaps and chains them, however many write at once', async () => {
  const [one, two] = [await newOrganization(), await newOrganization()];
  const data = { zebra: 1, a: { y: [1, { c: null, b: 1.5e-7 }], x: 'ü😀' }, '10': 0, '9': 1e21 };
  await Promise.all(Array.from({ length: 40 }, (_, index) => append(index % 2 === 0 ? one : two, { ...data, index })));
  for (const orgId of [one, two]) {
    const entries = await entriesOf(orgId);
    expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(broken(entries)).toEqual([]);
  }
});

it('leaves no gap when the change it tells about is rolled back', async () => {
  const orgId = await newOrganization();
  await append(orgId);
  const failing = withOrg(db, orgId, async (tx) => {
    await appendAudit(tx, { actorUserId: null, action: 'a.b', subjectType: 's', subjectId: null });
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await append(orgId);
  const entries = await entriesOf(orgId);
  expect(entries.map((entry) => entry.seq)).toEqual([1, 2]);
  expect(broken(entries)).toEqual([]);
});

const ORIGIN = {
  actorApiKeyId: '0190a1b2-0000-7000-8000-000000000001',
  ipAddress: '192.0.2.7',
  userAgent: 'curl/8.9 ü',
  requestId: '0190a1b2-0000-7000-8000-000000000002',
};

it('covers every origin of a change by the hash, one by one', async () => {
  const orgId = await newOrganization();
  const entry = { actorUserId: newId(), action: 'a.b', subjectType: 's', subjectId: null };
  await withOrg(db, orgId, (tx) => appendAudit(tx, { ...entry, ...ORIGIN }));
  await withOrg(db, orgId, (tx) => appendAudit(tx, { ...entry, requestId: ORIGIN.requestId }));
  const [full, partial] = await entriesOf(orgId);
  if (!full || !partial) throw new Error('two entries were appended');
  expect(full).toMatchObject(ORIGIN);
  for (const stored of [full, partial]) {
    expect(hashAuditEntry(stored).equals(stored.hash)).toBe(true);
    for (const name of Object.keys(ORIGIN) as (keyof typeof ORIGIN)[])
      for (const value of [null, newId()]) {
        if (stored[name] === value) continue;
        expect(hashAuditEntry({ ...stored, [name]: value }).equals(stored.hash), `${name} ${value}`).toBe(false);
      }
  }
});

it('hashes an entry without an origin as before origins were kept', () => {
  const entry = {
    orgId: '0190a1b2-0000-7000-8000-00000000000a',
    seq: 1,
    occurredAt: new Date('2026-01-02T03:04:05.678Z'),
    actorUserId: null,
    actorApiKeyId: null,
    ipAddress: null,
    userAgent: null,
    requestId: null,
    action: 'workflow.publish',
    subjectType: 'workflow',
    subjectId: 'w',
    data: { b: 1, a: { d: [1, null], c: 'ü' } },
    prevHash: null,
  };
  const text =
    '["0190a1b2-0000-7000-8000-00000000000a",1,"2026-01-02T03:04:05.678Z",null,"workflow.publish","workflow","w",' +
    '{"a":{"c":"ü","d":[1,null]},"b":1}]';
  expect(hashAuditEntry(entry)).toEqual(createHash('sha256').update(text).digest());
});

describe('the database itself', () => {
  const superuser = (text: string, values: unknown[]) => admin.query(text, values).catch((error: unknown) => error);

  it('refuses to change, remove or empty, whoever asks (S3)', async () => {
    const orgId = await newOrganization();
    for (let index = 0; index < 3; index += 1) await append(orgId, { index });
    for (const text of [
      'UPDATE app.audit_log SET action = action WHERE org_id = $1',
      'DELETE FROM app.audit_log WHERE org_id = $1',
      'UPDATE app.audit_heads SET seq = seq - 1 WHERE org_id = $1',
      'UPDATE app.audit_heads SET seq = seq + 2 WHERE org_id = $1',
      'UPDATE app.audit_heads SET hash = sha256(hash) WHERE org_id = $1',
      'DELETE FROM app.audit_heads WHERE org_id = $1',
    ])
      expect([text, sqlStateOf(await superuser(text, [orgId]))]).toEqual([text, 'WF002']);
    for (const table of ['audit_log', 'audit_heads'])
      expect(sqlStateOf(await superuser(`TRUNCATE app.${table}`, []))).toBe('WF002');
    expect(broken(await entriesOf(orgId))).toEqual([]);
  });

  it('takes from the API nothing but an entry that continues the chain (S3)', async () => {
    const orgId = await newOrganization();
    for (let index = 0; index < 3; index += 1) await append(orgId, { index });
    const [first, second, third] = await entriesOf(orgId);
    if (!first || !second || !third) throw new Error('three entries were appended');
    const forged = { ...third, action: 'forged.entry' };
    const insert = (entry: typeof third) => withOrg(db, orgId, (tx) => tx.insert(auditLog).values(entry));
    for (const entry of [
      { ...forged, seq: 5, prevHash: third.hash },
      { ...forged, seq: 4, prevHash: second.hash },
      { ...forged, seq: 4, prevHash: randomBytes(32) },
    ])
      expect(sqlStateOf(await insert(entry).catch((error: unknown) => error))).toBe('WF003');
    for (const entry of [
      { ...forged, prevHash: second.hash },
      { ...first, action: 'forged.entry' },
    ])
      expect(sqlStateOf(await insert(entry).catch((error: unknown) => error))).toBe('23505');
    const [head] = await withOrg(db, orgId, (tx) => tx.select().from(auditHeads));
    expect(head).toEqual({ orgId, seq: 3, hash: third.hash });
  });

  it('lets the API write no head at all (S3)', async () => {
    const orgId = await newOrganization();
    await append(orgId);
    for (const change of [
      sql`update app.audit_heads set seq = seq + 1`,
      sql`update app.audit_heads set hash = sha256(hash)`,
      sql`delete from app.audit_heads`,
      sql`insert into app.audit_heads (org_id, seq, hash) values (${orgId}, 1, sha256('x'))`,
    ]) {
      const refused = await withOrg(db, orgId, (tx) => tx.execute(change)).catch((error: unknown) => error);
      expect(sqlStateOf(refused)).toBe('42501');
    }
  });

  it('lets entries and head go with their organization, and keeps where they ended (S3)', async () => {
    const orgId = await newOrganization();
    await append(orgId);
    await append(orgId);
    const [last] = (await entriesOf(orgId)).slice(-1);
    await deleteOrganization(orgId);
    const { rows } = await admin.query(
      `SELECT (SELECT count(*)::integer FROM app.audit_log WHERE org_id = $1) AS entries,
         (SELECT count(*)::integer FROM app.audit_heads WHERE org_id = $1) AS heads`,
      [orgId],
    );
    expect(rows).toEqual([{ entries: 0, heads: 0 }]);
    expect(await tombstonesOf(orgId)).toEqual([{ seq: '2', hash: last?.hash, members: 0, workflows: 0, runs: 0 }]);
  });

  it('counts what goes with an organization, whoever deletes it (S3)', async () => {
    const { orgId } = await seedTenant(admin);
    await admin.query('DELETE FROM app.organizations WHERE id = $1', [orgId]);
    expect(await tombstonesOf(orgId)).toMatchObject([{ seq: '1', members: 1, workflows: 1, runs: 1 }]);
  });

  it('gives the id of a deleted organization to no other, and lets none take another id (S3)', async () => {
    const [orgId, other] = [await newOrganization(), await newOrganization()];
    await deleteOrganization(orgId);
    const values = { id: orgId, slug: orgId, name: 'Org' };
    const again = withOrg(db, orgId, (tx) => tx.insert(organizations).values(values));
    expect(sqlStateOf(await again.catch((error: unknown) => error))).toBe('WF004');
    // The policy asks for the context, which a program that was taken over sets as it likes, even within a statement.
    const moved = withOrg(db, other, (tx) =>
      tx.execute(sql`update app.organizations set id = set_config('app.current_org_id', ${orgId}, true)::uuid`),
    );
    expect(sqlStateOf(await moved.catch((error: unknown) => error))).toBe('WF002');
    const atOnce = withOrg(db, other, async (tx) => {
      await tx.delete(organizations);
      await tx.insert(organizations).values({ ...values, id: other });
    });
    expect(sqlStateOf(await atOnce.catch((error: unknown) => error))).toBe('WF004');
    expect(await tombstonesOf(other)).toEqual([]);
  });

  it('gives it to none that waits for the deletion, nor to one that looks at an older state (S3)', async () => {
    const [orgId, other] = [await newOrganization(), await newOrganization()];
    let waiting: Promise<unknown> = Promise.resolve();
    await withOrg(db, orgId, async (tx) => {
      await tx.delete(organizations);
      const { rows } = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
      waiting = insertElsewhere(orgId);
      const isBlocked = 'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))';
      await expect.poll(async () => (await admin.query(isBlocked, [rows[0]?.pid])).rows.length).toBe(1);
    });
    expect(sqlStateOf(await waiting)).toBe('WF004');
    const old = db.drizzle.transaction(
      async (tx) => {
        await tx.execute(sql`select set_config('app.current_org_id', ${other}, true)`);
        await tx.execute(sql`select from app.organizations`);
        await deleteElsewhere(other);
        await tx.insert(organizations).values({ id: other, slug: other, name: 'Org' });
      },
      { isolationLevel: 'repeatable read' },
    );
    expect(sqlStateOf(await old.catch((error: unknown) => error))).toBe('WF004');
  });

  it('lets no program near a tombstone, and nobody change or remove one (S3)', async () => {
    const orgId = await newOrganization();
    await deleteOrganization(orgId);
    for (const text of [
      'SELECT FROM app.deleted_organizations',
      'UPDATE app.deleted_organizations SET seq = 1',
      'DELETE FROM app.deleted_organizations',
      `INSERT INTO app.deleted_organizations (id, deleted_at, seq) VALUES (gen_random_uuid(), now(), 0)`,
    ])
      expect([text, sqlStateOf(await db.pool.query(text).catch((error: unknown) => error))]).toEqual([text, '42501']);
    for (const text of [
      'UPDATE app.deleted_organizations SET run_count = 7 WHERE id = $1',
      'DELETE FROM app.deleted_organizations WHERE id = $1',
    ])
      expect([text, sqlStateOf(await superuser(text, [orgId]))]).toEqual([text, 'WF002']);
    for (const table of ['deleted_organizations', 'organizations CASCADE'])
      expect(sqlStateOf(await superuser(`TRUNCATE app.${table}`, []))).toBe('WF002');
  });
});

const deleteOrganization = (orgId: string) => withOrg(db, orgId, (tx) => tx.delete(organizations));

const deleteElsewhere = (orgId: string) => admin.query('DELETE FROM app.organizations WHERE id = $1', [orgId]);

/** On a connection of its own; answers the error, if any. */
const insertElsewhere = (id: string): Promise<unknown> =>
  admin
    .query(`INSERT INTO app.organizations (id, slug, name) VALUES ($1::uuid, $1::text, 'Org')`, [id])
    .catch((error: unknown) => error);

async function tombstonesOf(orgId: string): Promise<unknown[]> {
  const { rows } = await admin.query(
    `SELECT seq, hash, member_count AS members, workflow_count AS workflows, run_count AS runs
     FROM app.deleted_organizations WHERE id = $1`,
    [orgId],
  );
  return rows;
}

it('refuses an organization that does not exist', async () => {
  await expect(append(newId())).rejects.toThrow('no such organization');
});
