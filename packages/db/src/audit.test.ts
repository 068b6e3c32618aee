import { newId } from '@millrace/shared/ids';
import { asc } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendAudit, hashAuditEntry } from './audit.ts';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { auditLog } from './schema/audit-log.ts';
import { organizations } from './schema/organizations.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

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

it('lets a changed, moved or removed entry be seen', async () => {
  const orgId = await newOrganization();
  for (let index = 0; index < 5; index += 1) await append(orgId, { index });
  await admin.query(`UPDATE app.audit_log SET data = '{"index": 99}' WHERE org_id = $1 AND seq = 2`, [orgId]);
  expect(broken(await entriesOf(orgId))).toEqual([2]);
  await admin.query('DELETE FROM app.audit_log WHERE org_id = $1 AND seq = 4', [orgId]);
  expect(broken(await entriesOf(orgId))).toEqual([2, 5]);
});

it('refuses an organization that does not exist', async () => {
  await expect(append(newId())).rejects.toThrow('no such organization');
});
