import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { appendAudit, hashAuditEntry } from '../packages/db/src/audit.ts';
import { closeDatabase, connectDatabase, type Database } from '../packages/db/src/connect.ts';
import { auditLog } from '../packages/db/src/schema/audit-log.ts';
import { organizations } from '../packages/db/src/schema/organizations.ts';
import { withOrg } from '../packages/db/src/tenant.ts';
import { createTestDatabase, type TestDatabase } from '../packages/db/src/testing.ts';
import { newId } from '../packages/shared/src/ids.ts';
import { runAuditVerify } from './audit/command.ts';
import { SetupError } from './services/failure.ts';
import { newDataDir } from './services/testing.ts';

const cloneDir = dirname(import.meta.dirname);

let database: TestDatabase;
let api: Database;
let superuser: Database;
let folder: string;
let one: string;
let two: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-audit-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  database = await createTestDatabase();
  const options = { poolSize: 2, applicationName: 'audit-verify-command-test', onError: () => undefined };
  api = connectDatabase({ ...options, url: database.apiUrl });
  superuser = connectDatabase({ ...options, url: database.adminUrl });
  one = await newOrganization('one', 30);
  two = await newOrganization('two', 5);
  return async () => {
    await Promise.all([closeDatabase(api), closeDatabase(superuser)]);
    await database.drop();
  };
});

async function newOrganization(slug: string, length: number): Promise<string> {
  const id = newId();
  await withOrg(api, id, (tx) => tx.insert(organizations).values({ id, slug, name: 'Org' }));
  await append(id, length);
  return id;
}

const append = (id: string, count: number) =>
  withOrg(api, id, async (tx) => {
    const entry = { actorUserId: null, action: 'a.b', subjectType: 'a', subjectId: null, ipAddress: '192.0.2.1' };
    for (let index = 0; index < count; index += 1) await appendAudit(tx, { ...entry, data: { index } });
  });

/** As a superuser who has switched triggers and checks off. */
async function tamper(statements: [string, unknown[]][]): Promise<void> {
  const client = await superuser.pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const [text, values] of statements) await client.query(text, values);
  } finally {
    client.release(true);
  }
}

/** The command in this process: what it says and the code it would end with. */
async function verify(args: string[] = [], url = database.adminUrl) {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const code = await runAuditVerify({ args, cloneDir, env: { DATABASE_URL: url }, say });
  return { code, text: lines.join('\n') };
}

/** The command as `npm run audit:verify` starts it. */
async function spawnVerify(settings: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [join(cloneDir, 'scripts', 'audit-verify.ts')], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close');
  return { code, text };
}

test('every organization with a whole chain is named with its length, and the exit code is 0', async () => {
  const { code, text } = await verify();
  expect(code, text).toBe(0);
  expect(text).toMatch(new RegExp(`✓ one \\(${one}\\): 30 entries, the last one [0-9a-f]{16}`));
  expect(text).toContain(`✓ two (${two}): 5 entries`);
  expect(text).toContain('2 of 2 organizations have a whole audit log.');
});

test('a broken chain is named by organization and entry, the exit code is 1, and the others are still checked', async () => {
  await tamper([[`UPDATE app.audit_log SET action = 'x.y' WHERE org_id = $1 AND seq = 17`, [one]]]);
  const { code, text } = await spawnVerify({ DATABASE_URL: database.adminUrl });
  expect(code).toBe(1);
  expect(text).toContain(`✗ one (${one}): entry 17 was altered`);
  expect(text).toContain(`✓ two (${two}): 5 entries`);
  expect(text).toContain('1 of 2 organizations have a whole audit log.');
});

test('--org checks this organization alone', async () => {
  await tamper([['DELETE FROM app.audit_log WHERE org_id = $1 AND seq > 20', [one]]]);
  const [whole, broken] = [await verify(['--org', two.toUpperCase()]), await verify(['--org', one])];
  expect([whole.code, broken.code]).toEqual([0, 1]);
  expect(whole.text).not.toContain(one);
  expect(broken.text).toContain(`✗ one (${one}): entry 21 and all after it were cut off`);
  await expect(verify(['--org', newId()])).rejects.toThrow(/^There is no organization/);
});

describe('--heads', () => {
  /** As somebody with every right and our source would: one entry changed, and every hash from there made anew. */
  async function rewrite(): Promise<void> {
    const entries = await withOrg(api, one, (tx) => tx.select().from(auditLog));
    const statements: [string, unknown[]][] = [];
    let prevHash: Buffer | null = null;
    for (const entry of entries.sort((a, b) => a.seq - b.seq)) {
      const action = entry.seq === 9 ? 'forged.entry' : entry.action;
      const hash = hashAuditEntry({ ...entry, action, prevHash });
      statements.push([
        'UPDATE app.audit_log SET action = $3, prev_hash = $4, hash = $5 WHERE org_id = $1 AND seq = $2',
        [one, entry.seq, action, prevHash, hash],
      ]);
      prevHash = hash;
    }
    await tamper([...statements, ['UPDATE app.audit_heads SET hash = $2 WHERE org_id = $1', [one, prevHash]]]);
  }

  test('show a chain that was written anew as a whole, which nothing in the database could', async () => {
    const file = join(folder, newId());
    expect((await verify(['--heads', file])).code).toBe(0);
    const noted = readFileSync(file, 'utf8');
    expect(noted).toMatch(new RegExp(`^${one} 30 [0-9a-f]{64}$`, 'm'));
    await rewrite();
    await append(one, 3);
    expect((await verify()).code).toBe(0);
    const { code, text } = await verify(['--heads', file]);
    expect(code).toBe(1);
    expect(text).toContain(`✗ one (${one}): entry 30 is not the one that was noted; the log was written anew`);
    expect(readFileSync(file, 'utf8')).toBe(noted);
  });

  test('move on with the chains', async () => {
    const file = join(folder, newId());
    expect((await verify(['--heads', file])).code).toBe(0);
    await append(two, 2);
    expect((await verify(['--heads', file, '--org', two])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`^${one} 30 [0-9a-f]{64}\n${two} 7 [0-9a-f]{64}\n$`));
  });

  test('of an organization that was deleted stay, and are compared with its tombstone every time (S3)', async () => {
    const file = join(folder, newId());
    expect((await verify(['--heads', file])).code).toBe(0);
    const noted = readFileSync(file, 'utf8');
    await append(one, 3);
    for (const id of [one, two]) await withOrg(api, id, (tx) => tx.delete(organizations));
    for (let round = 0; round < 2; round += 1) {
      const { code, text } = await verify(['--heads', file]);
      expect(code, text).toBe(0);
      expect(text).toMatch(new RegExp(`- ${one} was deleted on [-0-9T:.Z]+ after entry 33`));
      expect(text).toMatch(new RegExp(`- ${two} was deleted on [-0-9T:.Z]+ after entry 5`));
      expect(readFileSync(file, 'utf8')).toBe(noted);
    }
  });

  test.each<[what: string, statement: string, told: string]>([
    ['none', 'DELETE FROM app.deleted_organizations WHERE id = $1', 'is gone without a tombstone'],
    ['one that ends earlier', 'UPDATE app.deleted_organizations SET seq = 29 WHERE id = $1', 'noted entry 30'],
    ['another end', `UPDATE app.deleted_organizations SET hash = sha256(hash) WHERE id = $1`, 'noted entry 30'],
  ])('of an organization that is gone with %s make it a broken one (S3)', async (_what, statement, told) => {
    const file = join(folder, newId());
    expect((await verify(['--heads', file])).code).toBe(0);
    const noted = readFileSync(file, 'utf8');
    await withOrg(api, one, (tx) => tx.delete(organizations));
    await tamper([[statement, [one]]]);
    const { code, text } = await verify(['--heads', file]);
    expect(code, text).toBe(1);
    expect(text).toMatch(new RegExp(`✗ ${one} .*${told}`));
    expect(text).toContain('1 of 1 organizations have a whole audit log.');
    expect(readFileSync(file, 'utf8')).toBe(noted);
  });

  test('of another kind of file are refused, and the file stays as it is', async () => {
    const file = join(folder, newId());
    writeFileSync(file, 'my notes\n');
    await expect(verify(['--heads', file])).rejects.toThrow('does not hold heads');
    expect(readFileSync(file, 'utf8')).toBe('my notes\n');
  });
});

test('an organization that was deleted and is back is a broken one, whatever its log (S3)', async () => {
  await withOrg(api, one, (tx) => tx.delete(organizations));
  await tamper([[`INSERT INTO app.organizations (id, slug, name) VALUES ($1, 'one', 'Org')`, [one]]]);
  await append(one, 30);
  const { code, text } = await verify();
  expect(code, text).toBe(1);
  expect(text).toMatch(new RegExp(`✗ one \\(${one}\\): was deleted on .* and is back`));
});

test('the owner of the database needs no superuser', async () => {
  const owner = `owner_${newId().slice(-12)}`;
  const url = new URL(database.adminUrl);
  [url.username, url.password] = [owner, 'secret'];
  await superuser.pool.query(`CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD 'secret'`);
  await superuser.pool.query(`GRANT app_owner, app_resolver TO ${owner} WITH INHERIT TRUE, SET TRUE`);
  try {
    expect(await verify([], url.href)).toMatchObject({
      code: 0,
      text: expect.stringContaining('2 of 2 organizations'),
    });
  } finally {
    await superuser.pool.query(`DROP ROLE ${owner}`);
  }
});

test('what cannot be checked is told in a sentence, never with a chain that looks whole', async () => {
  const empty = new URL(database.adminUrl);
  empty.pathname = '/postgres';
  const wrong = new URL(database.adminUrl);
  wrong.password = 'wrong';
  for (const [url, sentence] of [
    [database.apiUrl, "cannot see every organization; use the owner's"],
    [empty.href, 'not one of this version of Millrace'],
    [wrong.href, 'refuses the login'],
    ['postgres://nobody@127.0.0.1:1/none', 'cannot be reached'],
    ['not a url', 'not a connection string'],
  ] as const) {
    const failure = await verify([], url).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SetupError);
    expect(String(failure)).toContain(sentence);
  }
});

test('without DATABASE_URL and without a running start it says what to do and ends with 2', async () => {
  const dataDir = newDataDir();
  const { code, text } = await spawnVerify({ MILLRACE_DATA_DIR: dataDir });
  rmSync(dataDir, { recursive: true, force: true });
  expect(code).toBe(2);
  expect(text).toBe(`No PostgreSQL runs on ${dataDir}. Run npm start, or set DATABASE_URL.\n`);
});

test('--help prints the usage and an unknown option is refused with it', async () => {
  expect(await verify(['--help'])).toMatchObject({
    code: 0,
    text: expect.stringContaining('Usage: npm run audit:verify'),
  });
  await expect(verify(['--fix'])).rejects.toThrow(/^Unknown option '--fix'\.\n\nUsage:/);
});
