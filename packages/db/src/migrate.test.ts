import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lintCatalogue } from './catalogue-lint.ts';
import { migrateDatabase } from './migrate.ts';
import { createTestDatabase, prepareTemplate, testClusterUrl } from './testing.ts';

let admin: pg.Pool;
const created: string[] = [];

beforeAll(() => {
  admin = new pg.Pool({ connectionString: testClusterUrl(), max: 4 });
});

afterAll(async () => {
  for (const name of created) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.end();
});

async function emptyDatabase(owner?: string): Promise<string> {
  const name = `millrace_empty_${randomBytes(6).toString('hex')}`;
  await admin.query(`CREATE DATABASE ${name} ${owner ? `OWNER ${owner}` : ''}`);
  created.push(name);
  const url = new URL(testClusterUrl());
  url.pathname = `/${name}`;
  return url.href;
}

async function problemsOf(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await lintCatalogue(client);
  } finally {
    await client.end();
  }
}

it('may be called by several processes at once: one does the work, all succeed', async () => {
  const url = await emptyDatabase();
  const applied = await Promise.all(Array.from({ length: 4 }, () => migrateDatabase({ url })));
  expect(applied.filter((count) => count > 0)).toHaveLength(1);
  expect(await migrateDatabase({ url })).toBe(0);
  expect(await problemsOf(url)).toEqual([]);
});

it('brings several databases of one cluster up at once, though they share the roles', async () => {
  const urls = await Promise.all(Array.from({ length: 3 }, () => emptyDatabase()));
  const passwords = { apiPassword: 'test-api', workerPassword: 'test-worker' };
  const applied = await Promise.all(urls.map((url) => migrateDatabase({ url, ...passwords })));
  expect(new Set(applied).size).toBe(1);
  for (const url of urls) expect(await problemsOf(url)).toEqual([]);
});

it('stores passwords as SCRAM verifiers only', async () => {
  const url = await emptyDatabase();
  await migrateDatabase({ url, apiPassword: 'test-api', workerPassword: 'test-worker' });
  const { rows } = await admin.query<{ verifier: string }>(
    `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname IN ('app_api', 'app_worker')`,
  );
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row.verifier).toMatch(/^SCRAM-SHA-256\$/);
});

it('runs as an owner that is no superuser', async () => {
  const owner = `millrace_owner_${randomBytes(4).toString('hex')}`;
  await createTestDatabase().then((database) => database.drop()); // the shared roles exist from here on
  await admin.query(`CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD 'secret'`);
  await admin.query(`GRANT app_owner, app_resolver TO ${owner}`);
  try {
    const url = new URL(await emptyDatabase(owner));
    url.username = owner;
    url.password = 'secret';
    expect(await migrateDatabase({ url: url.href })).toBeGreaterThan(0);
    expect(await migrateDatabase({ url: url.href })).toBe(0);
    url.username = new URL(testClusterUrl()).username;
    url.password = new URL(testClusterUrl()).password;
    expect(await problemsOf(url.href)).toEqual([]);
  } finally {
    await admin.query(`DROP DATABASE ${created.pop()} WITH (FORCE)`);
    await admin.query(`DROP ROLE ${owner}`);
  }
});

it('prepares one template however many ask for it, and copies of it do not share rows or temporary space', async () => {
  const names = await Promise.all(Array.from({ length: 3 }, () => prepareTemplate(testClusterUrl())));
  expect(new Set(names).size).toBe(1);
  const copies = await Promise.all(Array.from({ length: 4 }, () => createTestDatabase()));
  try {
    expect(new Set(copies.map((copy) => copy.name)).size).toBe(4);
    for (const copy of copies) expect(await problemsOf(copy.adminUrl)).toEqual([]);
  } finally {
    await Promise.all(copies.map((copy) => copy.drop()));
  }
});
