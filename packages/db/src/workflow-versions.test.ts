import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';
import { readVersion } from './workflow-versions.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let tenant: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  api = connectDatabase({ url: database.apiUrl, poolSize: 1, applicationName: 'versions-test', onError: () => {} });
  tenant = await seedTenant(admin);
  other = await seedTenant(admin);
  await admin.query(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition, note) VALUES ($1, $2, 2, '{"n": 2}', 'two')`,
    [tenant.orgId, tenant.workflowId],
  );
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api)]);
  await database.drop();
});

const read = (workflowId: string, version: number) =>
  withOrg(api, tenant.orgId, (tx) => readVersion(tx, workflowId, version));

it('reads the version asked for, and no other one', async () => {
  expect(await read(tenant.workflowId, 2)).toMatchObject({ version: 2, definition: { n: 2 }, note: 'two' });
  expect((await read(tenant.workflowId, 1)).definition).not.toEqual({ n: 2 });
});

it('answers 404 for a version, a workflow and an organization that are not there alike', async () => {
  const notFound = { code: 'NOT_FOUND' };
  await expect(read(tenant.workflowId, 3)).rejects.toMatchObject(notFound);
  await expect(read(newId(), 1)).rejects.toMatchObject(notFound);
  await expect(read(other.workflowId, 1)).rejects.toMatchObject(notFound);
});
