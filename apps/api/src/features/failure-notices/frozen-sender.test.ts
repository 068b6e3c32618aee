import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { forgetFailureNotices } from '@millrace/db/failure-notices';
import { eventually, type FaultProxy, startFaultProxy } from '@millrace/queue/testing';
import * as contracts from '@millrace/shared/contracts/failure-notices';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, type Deps, openDeps } from '../../deps.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';
import { type DueNotice, prepareNotice, settleNotice } from './rows.ts';
import { addWorkflow, connectWorker, failOneRun } from './testing.ts';

/** Far less than it takes until PostgreSQL gives up on a client that went silent. */
const AT_ONCE_MS = 3_000;

let api: TestApi;
let worker: Database;
let proxy: FaultProxy;
/** An API process behind the proxy: what freezes there hears nothing of PostgreSQL any more and sends nothing more. */
let frozen: Deps;
let org: { orgId: string; owner: Person };
let workflowId: string;

beforeEach(async () => {
  api = await openTestApi();
  await api.deps.noticeSender.stop();
  worker = connectWorker(api);
  const url = new URL(api.deps.config.API_DATABASE_URL);
  proxy = await startFaultProxy(Number(url.port));
  [url.hostname, url.port] = ['127.0.0.1', String(proxy.port)];
  frozen = await openDeps({ ...api.deps.config, API_DATABASE_URL: url.href }, api.deps.log);
  org = await addOrganization(api);
  workflowId = await addWorkflow(api, org.orgId);
  await choose(api, { channel: 'webhook', url: 'https://hooks.example.com/' });
  await failOneRun(api, worker, org.orgId, workflowId);
});
afterEach(async () => {
  await proxy.stop();
  await closeDeps(frozen);
  await closeDatabase(worker);
  await api.close();
});

const choose = (through: TestApi, body: object) =>
  call(through, contracts.putFailureNotices, { token: org.owner.token, params: { orgId: org.orgId }, body });
const key = () => ({ orgId: org.orgId, workflowId });

/** Starts `work` while the notice's row is locked, and freezes its process at the moment it would go on. */
async function freezeAtTheRow(work: () => Promise<unknown>): Promise<void> {
  const options = { url: api.adminUrl, poolSize: 1, applicationName: 'test', onError: () => undefined };
  const admin = connectDatabase(options);
  await admin.pool.query('BEGIN');
  await admin.pool.query('SELECT FROM app.failure_notices FOR UPDATE');
  work().catch(() => undefined);
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  await eventually('it waits for the row', async () => (await queryAsAdmin(api, waiting, [])).length === 1);
  await proxy.setFault({ type: 'black-hole' });
  await admin.pool.query('COMMIT');
  await closeDatabase(admin);
}

async function expectAtOnce(work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
}

test('a sender that freezes while it prepares a notice holds up neither a run that fails nor new settings', async () => {
  await freezeAtTheRow(() => prepareNotice(frozen.db, key()));
  await expectAtOnce(() => failOneRun(api, worker, org.orgId, workflowId));
  await expectAtOnce(() => choose(api, { channel: 'none' }));
  expect(await queryAsAdmin(api, 'SELECT 1 FROM app.failure_notices', [])).toEqual([]);
});

test('a sender that freezes while it notes what it told holds up no run that fails', async () => {
  const notice = (await prepareNotice(api.deps.db, key())) as DueNotice;
  await freezeAtTheRow(() => settleNotice(frozen.db, notice));
  await expectAtOnce(() => failOneRun(api, worker, org.orgId, workflowId));
  const [row] = await queryAsAdmin<{ count: number }>(api, 'SELECT failed_count AS count FROM app.failure_notices', []);
  expect(row?.count).toBe(1); // the second one; the first was told
});

test('a process that freezes while it turns notices off holds up no run that fails', async () => {
  const app = await buildApp(frozen);
  await freezeAtTheRow(() => choose({ ...api, app }, { channel: 'none' }));
  await expectAtOnce(() => failOneRun(api, worker, org.orgId, workflowId));
  await app.close();
});

test('failures are not forgotten under settings that are newer than those somebody saw', async () => {
  const [seen] = await queryAsAdmin<{ at: Date }>(api, 'SELECT updated_at AS at FROM app.failure_notice_settings', []);
  await choose(api, { channel: 'webhook', url: 'https://hooks.example.com/new' });
  await forgetFailureNotices(api.deps.db, key(), seen?.at ?? null);
  await forgetFailureNotices(api.deps.db, key(), null);
  expect(await queryAsAdmin(api, 'SELECT 1 FROM app.failure_notices', [])).toHaveLength(1);
});
