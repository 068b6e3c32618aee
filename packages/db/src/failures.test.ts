import pg from 'pg';
import { expect, it } from 'vitest';
import { isCollision, isDatabaseTransient, isDatabaseUnavailable, KEY_TO_WHAT_MAY_VANISH } from './failures.ts';
import { createTestDatabase } from './testing.ts';

function databaseError(code: string): Error {
  const error = new pg.DatabaseError('refused', 0, 'error');
  error.code = code;
  return new Error('wrapped by a library', { cause: error });
}

it.each(['40001', '40P01', '53100', '53200', '57014', '58030', '25006', '57P01', '08006'])(
  'SQLSTATE %s may pass: the same call is worth repeating',
  (code) => expect(isDatabaseTransient(databaseError(code))).toBe(true),
);

it.each(['23505', '42501', '22P02', 'WF001', 'WF002'])('SQLSTATE %s does not pass by itself', (code) => {
  expect(isDatabaseTransient(databaseError(code))).toBe(false);
  expect(isDatabaseUnavailable(databaseError(code))).toBe(false);
});

it('a cancelled statement does not mean that the database is away', () => {
  expect(isDatabaseUnavailable(databaseError('57014'))).toBe(false);
});

it.each([
  databaseError('57P03'),
  databaseError('53300'),
  databaseError('57P01'),
  Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  new Error('Connection terminated unexpectedly'),
])('%s means that the database is away', (error) => {
  expect(isDatabaseUnavailable(error)).toBe(true);
  expect(isDatabaseTransient(error)).toBe(true);
});

it('a broken key counts as a collision exactly when it leads to what people delete while others work with it', async () => {
  const database = await createTestDatabase();
  const admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
  const { rows } = await admin.query<{ name: string; target: string }>(
    `SELECT conname AS name, confrelid::regclass::text AS target FROM pg_constraint
     WHERE contype = 'f' AND connamespace = 'app'::regnamespace`,
  );
  await admin.end();
  await database.drop();
  expect(rows.length).toBeGreaterThan(30);
  const mayVanish = ['app.organizations', 'app.workflows', 'app.workflow_versions', 'app.workflow_runs'];
  for (const { name, target } of rows)
    expect(KEY_TO_WHAT_MAY_VANISH.test(name), `${name} to ${target}`).toBe(mayVanish.includes(target));
  const { constraint, ...error } = { constraint: 'memberships_org_id_fkey', code: '23503' };
  const refused = (name: string) =>
    Object.assign(new pg.DatabaseError('refused', 0, 'error'), error, { constraint: name });
  expect(isCollision(new Error('wrapped', { cause: refused(constraint) }))).toBe(true);
  expect(isCollision(refused('memberships_role_key_fkey'))).toBe(false);
});
