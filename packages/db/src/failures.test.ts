import pg from 'pg';
import { expect, it } from 'vitest';
import { isDatabaseTransient, isDatabaseUnavailable } from './failures.ts';

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
