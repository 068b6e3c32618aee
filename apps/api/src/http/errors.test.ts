import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { withOrg, withoutOrg } from '@millrace/db/tenant';
import { AppError, ERROR_CATALOG, type ErrorCode } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { sql } from 'drizzle-orm';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { openTestApi, type TestApi } from '../testing.ts';
import { answerError } from './errors.ts';

const CANARY = 'canary-5d1c';

let api: TestApi;
let app: FastifyInstance;
let fail: () => Promise<unknown>;

beforeAll(async () => {
  api = await openTestApi();
  app = Fastify({ loggerInstance: api.deps.log as FastifyBaseLogger, genReqId: () => newId() });
  app.setErrorHandler(answerError);
  app.get('/fail/:token', async () => fail());
});

beforeEach(() => {
  api.logLines.length = 0;
});

afterAll(async () => {
  await app.close();
  await api.close();
});

const user = (id: string) => sql`insert into app.users (id, email) values (${id}, ${`${CANARY}@example.com`})`;

const raised = (statement: string) => () => withoutOrg(api.deps.db, (tx) => tx.execute(sql.raw(statement)));
const state = (code: string) =>
  raised(`do $$ begin raise exception '${CANARY} at /srv/app/rows.ts:1' using errcode = '${code}', detail = '${CANARY}',
    constraint = 'users_${CANARY}_key', table = 'users', schema = 'app'; end $$`);

/** Errors that no use case foresaw, as the libraries really throw them. */
const UNFORESEEN: [string, () => Promise<unknown>][] = [
  ['a statement that is wrong', () => withoutOrg(api.deps.db, (tx) => tx.execute(sql`select ${CANARY} from nowhere`))],
  ['a table without a grant', () => withoutOrg(api.deps.db, (tx) => tx.execute(sql`delete from app.users`))],
  [
    'a unique key',
    () =>
      withoutOrg(api.deps.db, async (tx) => {
        await tx.execute(user(newId()));
        await tx.execute(user(newId()));
      }),
  ],
  ['a forgotten organization', () => withoutOrg(api.deps.db, (tx) => tx.execute(sql`select * from app.workflows`))],
  [
    'a row of another organization',
    () =>
      withOrg(api.deps.db, newId(), (tx) =>
        tx.execute(sql`insert into app.organizations (id, slug, name) values (${newId()}, ${CANARY}, 'x')`),
      ),
  ],
  ['a bug', async () => (undefined as unknown as { a: { b: string } }).a.b],
  ['a string', () => Promise.reject('just words')],
  ['nothing', () => Promise.reject(undefined)],
  ['an error that claims a status', () => Promise.reject(Object.assign(new Error('x'), { statusCode: 200 }))],
  ['a wrapped failure', () => Promise.reject(new AppError('INTERNAL', undefined, { cause: new Error('inner') }))],
];

/** Failures that quote values themselves, which is why answers never quote failures. */
const TALKATIVE: [string, () => Promise<unknown>][] = [
  ['a value of the wrong type', raised(`select '${CANARY}'::uuid`)],
  ['a number out of range', raised('select 99999999999::int')],
  ['a division by zero', raised('select 1 / 0')],
  ['a text with NUL', () => withoutOrg(api.deps.db, (tx) => tx.execute(sql`select ${`${CANARY}\u0000`}::text`))],
  ['a missing value', raised(`insert into app.users (id, email) values (gen_random_uuid(), null)`)],
  [
    'a broken rule',
    raised(`insert into app.users (id, email, display_name) values (gen_random_uuid(), repeat('x', 9000), '')`),
  ],
  ['an unknown function', raised(`select ${CANARY.replace('-', '_')}()`)],
  ['a corrupt page', state('XX001')],
  ['an error of Redis', () => api.deps.limitsLink.redis.call('EVAL', `error '${CANARY}'`, '0')],
  ['an address nobody answers at', () => fetch('http://127.0.0.1:1/canary-5d1c')],
  ['a file that is not there', () => readFile(`/${CANARY}/secret.pem`)],
  ['JSON that is none', async () => JSON.parse(`{${CANARY}`)],
  ['an endless recursion', async () => recurse()],
  ['a value that a schema refuses', async () => z.strictObject({}).parse({ [CANARY]: 1 })],
  ['several failures at once', () => Promise.any([Promise.reject(new Error(CANARY))])],
  ['an assertion', async () => assert.equal(CANARY, 'x')],
  ['an error whose message cannot be read', () => Promise.reject(Object.create(null))],
];

const recurse = (): number => recurse() + 1;

it.each(UNFORESEEN)(
  'T6: answers %s with a 500 that says nothing, and logs the reason once without values',
  async (_name, throws) => {
    fail = throws;
    const response = await app.inject(`/fail/${CANARY}?q=${CANARY}`);
    expect(response.statusCode).toBe(500);
    const { message } = ERROR_CATALOG.INTERNAL;
    expect(response.json()).toEqual({ code: 'INTERNAL', message, requestId: expect.any(String) });
    const failures = api.logLines.filter(({ event }) => event === 'request_failed');
    expect(failures).toEqual([
      expect.objectContaining({
        requestId: response.json().requestId,
        path: '/fail/:token',
        method: 'GET',
        code: 'INTERNAL',
        error: expect.any(String),
      }),
    ]);
    expect(JSON.stringify(failures)).not.toContain(CANARY);
  },
);

it.each(TALKATIVE)('T6: answers %s without a word of it', async (_name, throws) => {
  fail = throws;
  const response = await app.inject(`/fail/${CANARY}?q=${CANARY}`);
  const { code, message, requestId, ...rest } = response.json();
  expect(rest).toEqual({});
  expect(response.statusCode).toBeGreaterThanOrEqual(500);
  expect(message).toBe(ERROR_CATALOG[code as ErrorCode].message);
  const failures = api.logLines.filter(({ event }) => event === 'request_failed');
  expect(failures.map((line) => [line.requestId, line.path])).toEqual([[requestId, '/fail/:token']]);
});

it.each([
  ['went away', '08006'],
  ['shuts down', '57P01'],
  ['starts up', '57P03'],
  ['has no connection left', '53300'],
  ['has a full disk', '53100'],
  ['has too little memory', '53200'],
  ['cancelled the statement', '57014'],
  ['cannot read its disk', '58030'],
  ['takes no writes', '25006'],
])('T6: answers a database that %s (%s) with 503 and when to come back', async (_name, code) => {
  fail = state(code);
  const response = await app.inject('/fail/x');
  expect([response.statusCode, response.json().code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
  expect(response.headers['retry-after']).toBe('1');
  expect(response.body).not.toMatch(/canary|postgres|rows\.ts/i);
});

/** Raises the error as PostgreSQL does when a row that is referred to is not there. */
const raise = (state: string, constraint: string) =>
  withoutOrg(api.deps.db, (tx) =>
    tx.execute(
      sql.raw(
        `do $$ begin raise exception '${CANARY}' using errcode = '${state}', constraint = '${constraint}'; end $$`,
      ),
    ),
  );

it.each([
  ['40001', ''],
  ['40P01', ''],
  ['23503', 'memberships_org_id_fkey'],
  ['23503', 'workflow_versions_org_id_workflow_id_fkey'],
  ['23503', 'workflow_runs_org_id_retry_of_run_id_fkey'],
])('T6: answers a change that collided with another (%s %s) with 409', async (state, constraint) => {
  fail = () => raise(state, constraint);
  const response = await app.inject('/fail/x');
  expect([response.statusCode, response.json().code]).toEqual([409, 'CONFLICT']);
  expect(response.body).not.toContain(CANARY);
});

it.each(['memberships_role_key_fkey', 'workflows_created_by_user_id_fkey', ''])(
  'T6: takes a broken key to what nobody deletes (%s) for a fault of ours',
  async (constraint) => {
    fail = () => raise('23503', constraint);
    const response = await app.inject('/fail/x');
    expect([response.statusCode, response.json().code]).toEqual([500, 'INTERNAL']);
    expect(response.body).not.toContain(CANARY);
  },
);

it.each(Object.keys(ERROR_CATALOG) as ErrorCode[])('T6: answers %s with its status and its sentence', async (code) => {
  fail = () => Promise.reject(new AppError(code, undefined, { cause: new Error(CANARY), retryAfterSec: 7 }));
  const response = await app.inject('/fail/x');
  expect(response.statusCode).toBe(ERROR_CATALOG[code].status);
  expect(response.json()).toEqual({ code, message: ERROR_CATALOG[code].message, requestId: expect.any(String) });
  expect(response.headers['retry-after']).toBe('7');
});
