import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../packages/db/src/testing.ts';
import { runLimits } from './limits/command.ts';
import { SetupError } from './services/failure.ts';

let database: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
  await admin.query(`INSERT INTO app.organizations (id, slug, name) VALUES (gen_random_uuid(), 'acme', 'Acme')`);
});
afterAll(async () => {
  await admin.end();
  await database.drop();
});

async function run(...args: string[]): Promise<string> {
  const lines: string[] = [];
  await runLimits({ args, findDatabase: () => database.adminUrl, say: (line) => lines.push(line) });
  return lines.join('\n');
}

it('shows the limits, changes those that are given and leaves the others', async () => {
  expect(await run('--org', 'acme')).toContain('any number of concurrent runs, the default of queued runs, weight 1');
  expect(await run('--org', 'acme', '--concurrent', '5', '--weight', '3')).toContain('5 concurrent runs');
  expect(await run('--org', 'acme', '--queued', '700')).toContain('5 concurrent runs, 700 queued runs, weight 3');
  expect(await run('--org', 'acme', '--concurrent', 'none')).toContain('any number of concurrent runs, 700 queued');
  const { rows } = await admin.query('SELECT max_concurrent_runs, max_queued_runs, weight FROM app.org_run_limits');
  expect(rows).toEqual([{ max_concurrent_runs: null, max_queued_runs: 700, weight: 3 }]);
});

it('explains itself, and refuses what it does not understand without changing anything', async () => {
  expect(await run('--help')).toContain('Usage: npm run limits');
  for (const args of [[], ['--org', 'nobody'], ['--org', 'acme', '--weight', '0'], ['--org', 'acme', '--queued', '-1']])
    await expect(run(...args)).rejects.toThrow(SetupError);
  expect(await run('--org', 'acme')).toContain('weight 3');
});
