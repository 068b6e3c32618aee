import { withOrg, withoutOrg } from '@millrace/db/tenant';
import { AppError, ERROR_CATALOG, type ErrorCode } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { sql } from 'drizzle-orm';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
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

it.each(UNFORESEEN)(
  'answers %s with a 500 that says nothing, and logs the reason once without values',
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
])('answers a change that collided with another (%s %s) with 409', async (state, constraint) => {
  fail = () => raise(state, constraint);
  const response = await app.inject('/fail/x');
  expect([response.statusCode, response.json().code]).toEqual([409, 'CONFLICT']);
  expect(response.body).not.toContain(CANARY);
});

it.each(['memberships_role_key_fkey', 'workflows_created_by_user_id_fkey', ''])(
  'takes a broken key to what nobody deletes (%s) for a fault of ours',
  async (constraint) => {
    fail = () => raise('23503', constraint);
    const response = await app.inject('/fail/x');
    expect([response.statusCode, response.json().code]).toEqual([500, 'INTERNAL']);
    expect(response.body).not.toContain(CANARY);
  },
);

it.each(Object.keys(ERROR_CATALOG) as ErrorCode[])('answers %s with its status and its sentence', async (code) => {
  fail = () => Promise.reject(new AppError(code, undefined, { cause: new Error(CANARY), retryAfterSec: 7 }));
  const response = await app.inject('/fail/x');
  expect(response.statusCode).toBe(ERROR_CATALOG[code].status);
  expect(response.json()).toEqual({ code, message: ERROR_CATALOG[code].message, requestId: expect.any(String) });
  expect(response.headers['retry-after']).toBe('7');
});
