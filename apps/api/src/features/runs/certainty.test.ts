import { eventually, type FaultProxy, startFaultProxy } from '@millrace/queue/testing';
import { createRun, retryRun } from '@millrace/shared/contracts/runs';
import { createWorkflow, publishWorkflow } from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

/** R7: whatever the way to PostgreSQL does, 201 means stored and 503 means that nothing is left behind. */

let proxy: FaultProxy;
let api: TestApi;
let admin: pg.Client;
let user: TestUser;
let params: { orgId: string; workflowId: string };

beforeAll(async () => {
  proxy = await startFaultProxy(Number(new URL(process.env.MILLRACE_TEST_DATABASE_URL ?? '').port));
  api = await openTestApi(({ apiUrl }) => {
    const url = new URL(apiUrl);
    url.host = `127.0.0.1:${proxy.port}`;
    return { API_DATABASE_URL: url.href };
  });
  admin = new pg.Client({ connectionString: api.adminUrl });
  await admin.connect();
  user = await signUpUser(api);
  const orgId = await createOrg(api, user);
  const dsl = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [{ id: 'one', type: 'transform', config: { value: 1 } }],
  };
  const created = await call(api, createWorkflow, { ...as(), params: { orgId }, body: { name: 'sure', dsl } });
  params = { orgId, workflowId: created.body.workflow.id };
  expect((await call(api, publishWorkflow, { ...as(), params, body: {} })).status).toBe(200);
});
afterEach(async () => {
  await admin.query('ROLLBACK');
  await proxy.setFault({ type: 'none' });
  await admin.query('TRUNCATE app.workflow_runs CASCADE');
});
afterAll(async () => {
  await admin?.end();
  await api?.close();
  await proxy?.stop();
});

const as = () => ({ token: user.token });
const start = (headers = {}) => call(api, createRun, { ...as(), params, body: { input: 'kept' }, headers });

async function runs() {
  const { rows } = await admin.query('SELECT id, status FROM app.workflow_runs');
  return rows as { id: string; status: string }[];
}

async function busyBackends(): Promise<number> {
  const { rows } = await admin.query(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = 'app_api' AND state <> 'idle'",
  );
  return rows.length;
}

/** Holds every insert of a run until the lock is let go; answers once one waits. */
async function holdInserts(during: () => Promise<unknown>) {
  await admin.query('BEGIN');
  await admin.query('LOCK TABLE app.workflow_runs IN EXCLUSIVE MODE');
  const answer = during();
  await eventually('the insert to wait', async () => {
    const { rows } = await admin.query("SELECT FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'");
    return rows.length > 0;
  });
  return { answer };
}

it.each([['once'], ['under a key']])(
  'a run whose commit went through unheard is answered 201, asked for %s',
  async (how) => {
    const headers = how === 'once' ? {} : { 'idempotency-key': newId() };
    const { answer } = await holdInserts(() => start(headers));
    await proxy.setFault({ type: 'black-hole' });
    await admin.query('COMMIT');
    await eventually('the run to be stored', async () => (await runs()).length === 1);
    await proxy.setFault({ type: 'reset' });
    await proxy.setFault({ type: 'none' });
    const { status, body } = (await answer) as Awaited<ReturnType<typeof start>>;
    expect([status, body.run?.id]).toEqual([201, (await runs())[0]?.id]);
    if (how === 'once') return;
    const again = await start(headers);
    expect([again.status, again.headers['idempotency-replayed'], again.body.run?.id]).toEqual([
      201,
      'true',
      body.run?.id,
    ]);
    expect(await runs()).toHaveLength(1);
  },
);

it('a retry that was cut off before its commit is answered 503, and nothing is left', async () => {
  const first = (await start()).body.run.id;
  await admin.query("UPDATE app.workflow_runs SET status = 'failed', finished_at = now()");
  const { answer } = await holdInserts(() =>
    call(api, retryRun, { ...as(), params: { ...params, runId: first }, body: {} }),
  );
  await proxy.setFault({ type: 'reset' });
  await proxy.setFault({ type: 'none' });
  await admin.query('COMMIT');
  const { status, body } = (await answer) as Awaited<ReturnType<typeof start>>;
  expect([status, body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
  expect((await runs()).map(({ id }) => id)).toEqual([first]);
});

it('an accept that was cut off while it waited is answered 503, and is not committed later', async () => {
  const { answer } = await holdInserts(start);
  await proxy.setFault({ type: 'reset' });
  await proxy.setFault({ type: 'none' });
  const { status, body } = (await answer) as Awaited<ReturnType<typeof start>>;
  expect([status, body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
  await admin.query('COMMIT');
  await eventually('every statement to be done', async () => (await busyBackends()) === 0);
  expect(await runs()).toEqual([]);
  expect((await start()).status).toBe(201);
});

it.each([
  ['cut off', 'pg_terminate_backend'],
  ['cancelled', 'pg_cancel_backend'],
])('an accept that was %s by the server is answered 503 at once, and nothing is left', async (_name, kill) => {
  const { answer } = await holdInserts(start);
  await admin.query(`SELECT ${kill}(pid) FROM pg_locks WHERE NOT granted`);
  const { status, body, headers } = (await answer) as Awaited<ReturnType<typeof start>>;
  expect([status, body.code, headers['retry-after']]).toEqual([503, 'DATABASE_UNAVAILABLE', '1']);
  await admin.query('COMMIT');
  expect(await runs()).toEqual([]);
  expect((await start()).status).toBe(201);
});
