import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { type SeededTenant, seedQueuedRun, seedTenant } from '@millrace/db/testing-rows';
import { eventually } from '@millrace/queue/testing';
import { streamRunEvents } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import { type EventReader, readEvents } from '@millrace/shared/testing-event-stream';
import { signAccessToken } from '@millrace/shared/tokens';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, type Person } from '../organizations/testing.ts';

/** Who may follow a run, and how much; that nothing is lost and all is in time is shown in tests/run-events.test.ts. */

let api: TestApi;
let admin: Database;
let tenant: SeededTenant;
let other: SeededTenant;
let token: string;
let url: string;
const readers: EventReader[] = [];

beforeAll(async () => {
  api = await openTestApi();
  admin = connectDatabase({ url: api.adminUrl, poolSize: 1, applicationName: 'test', onError: () => undefined });
  tenant = await seedTenant(admin.pool);
  other = await seedTenant(admin.pool);
  const options = { nowSec: Math.floor(Date.now() / 1000), ttlSec: 900 };
  const { userId, sessionId } = tenant;
  token = await signAccessToken(api.deps.signingKeys, { userId, sessionId, email: 'a@example.com' }, options);
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await eventually('all streams to be given up', async () => (await countConnections()) === 0);
});
afterAll(async () => {
  await closeDatabase(admin);
  await api.close();
});

const paramsOf = ({ orgId, workflowId }: SeededTenant, runId: string) => ({ orgId, workflowId, runId });
const pathOf = (runId: string) => `/v1/orgs/${tenant.orgId}/workflows/${tenant.workflowId}/runs/${runId}/events`;
const headersOf = (bearer: string) => ({ authorization: `Bearer ${bearer}`, 'x-org-id': tenant.orgId });

async function follow(runId: string, bearer = token, headers = {}): Promise<EventReader> {
  const reader = await readEvents(`${url}${pathOf(runId)}`, { ...headersOf(bearer), ...headers });
  readers.push(reader);
  return reader;
}

/** Connections to the API on which something is under way. */
function countConnections(): Promise<number> {
  api.app.server.closeIdleConnections();
  return new Promise((resolve) => api.app.server.getConnections((_error, count) => resolve(count)));
}

/** Adds a record to the timeline of a run, as its owner would. */
async function record(runId: string, entries: object[]): Promise<void> {
  await admin.pool.query(
    `WITH run AS (UPDATE app.workflow_runs SET event_count = event_count + 1 WHERE id = $1 RETURNING org_id, event_count)
     INSERT INTO app.workflow_run_events (org_id, run_id, number, entries) SELECT org_id, $1, event_count, $2 FROM run`,
    [runId, JSON.stringify(entries)],
  );
}

it('names every event by its record and place, and goes on behind the one a reader names', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  await record(runId, [{ type: 'a' }, { type: 'b', stepId: 'one' }]);
  const reader = await follow(runId, token, { 'last-event-id': '1.0' });
  await record(runId, [{ type: 'c' }]);
  await eventually('two events', () => reader.events.length === 2);
  expect(reader.events.map(({ id, data }) => [id, data])).toEqual([
    ['1.1', { type: 'b', stepId: 'one', at: expect.any(String) }],
    ['2.0', { type: 'c', at: expect.any(String) }],
  ]);
});

it('answers what is no id of an event with 400, and HEAD with nothing but the headers', async () => {
  for (const id of ['x', '1', '1.', '-1.0', '1.0.0', '9999999999.0']) {
    expect((await follow(tenant.endedRunId, token, { 'last-event-id': id })).status).toBe(400);
  }
  const runId = await seedQueuedRun(admin.pool, tenant);
  const head = await fetch(`${url}${pathOf(runId)}`, { method: 'HEAD', headers: headersOf(token) });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
});

it('hides a run of another organization: 403 at its address, 404 at any other', async () => {
  const foreign = await seedQueuedRun(admin.pool, other);
  const ask = async (params: Record<string, string>) =>
    (await call(api, streamRunEvents, { params, token })).body as unknown as { code: string };
  expect((await ask(paramsOf(other, foreign))).code).toBe('ORG_ACCESS_DENIED');
  expect((await ask(paramsOf(tenant, foreign))).code).toBe('NOT_FOUND');
  expect((await ask({ ...paramsOf(tenant, tenant.endedRunId), workflowId: newId() })).code).toBe('NOT_FOUND');
});

it('ends the stream of somebody who was removed, and of nobody else', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  const member: Person = await addMember(api, tenant.orgId, 'member');
  const [kept, removed] = [await follow(runId), await follow(runId, member.token)];
  await admin.pool.query('DELETE FROM app.memberships WHERE org_id = $1 AND user_id = $2', [tenant.orgId, member.id]);
  const startedAt = performance.now();
  await removed.ended;
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await record(runId, [{ type: 'later' }]);
  await eventually('the event', () => kept.events.length === 1);
  expect(removed.events).toEqual([]);
});

it('shows one user ten runs at a time, answers 429 to the next, and has a place again once one is closed', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  const open = await Promise.all(Array.from({ length: 10 }, () => follow(runId)));
  expect(open.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  const refused = await follow(runId);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
  open[0]?.close();
  await eventually('a free place', async () => (await follow(runId)).status === 200);
});

it('ends the stream of a run that is deleted', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  const reader = await follow(runId);
  await admin.pool.query('DELETE FROM app.workflow_runs WHERE id = $1', [runId]);
  await reader.ended;
  expect(reader.events).toMatchObject([{ name: 'end' }]);
});

it('drops a reader that takes nothing, and keeps no more for it than the sockets hold', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  await admin.pool.query(
    `INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
     SELECT $1, $2, n, jsonb_build_array(jsonb_build_object('type', repeat('x', 200000))) FROM generate_series(1, 300) AS n`,
    [tenant.orgId, runId],
  );
  await admin.pool.query('UPDATE app.workflow_runs SET event_count = 300 WHERE id = $1', [runId]);
  const rssBefore = process.memoryUsage().rss;
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.pause();
  const lines = Object.entries({ host: 'localhost', ...headersOf(token) }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${pathOf(runId)} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  await eventually('the connection', async () => (await countConnections()) === 1);
  await eventually('the reader to be dropped', async () => (await countConnections()) === 0, 20_000);
  expect(process.memoryUsage().rss - rssBefore).toBeLessThan(120_000_000);
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  socket.on('error', () => {}); // cut off, not ended
  socket.resume();
  await once(socket, 'close');
  expect(received).toBeLessThan(40_000_000);
}, 30_000);
