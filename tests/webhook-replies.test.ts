import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EchoServer, startEcho } from '../apps/worker/src/testing-echo.ts';
import { type Client, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from './platform.ts';

/** A webhook with `reply: "result"`: its sender hears what the run says, whatever dies meanwhile. */

let platform: TestPlatform;
let admin: pg.Client;
let echo: EchoServer;
let api: Api;
let second: Api;
let worker: Program;
let client: Client;

/** `/held` is answered when the test says so. */
let release: () => void = () => {};

beforeAll(async () => {
  echo = await startEcho(async (call, response) => {
    if (call.path === '/held')
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    response.end('done');
  });
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: echo.egress, WEBHOOK_REPLY_TIMEOUT_MS: '20000' });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  [api, second, worker] = await Promise.all([platform.startApi(), platform.startApi(), platform.startWorker()]);
  client = await signUp(api.url);
}, 60_000);
afterAll(async () => {
  release();
  await admin.end();
  await platform.stop();
  await echo.close();
});

async function publish(nodes: object[], rest: object = {}): Promise<string> {
  const trigger = { type: 'trigger.webhook', config: { reply: 'result', methods: ['GET', 'POST'] } };
  const dsl = { version: 'v2', trigger, nodes, ...rest };
  const { workflow } = await client.call('POST', '/workflows', { name: 'Answers', dsl });
  const published = await client.call('POST', `/workflows/${workflow?.id}/publish`, {});
  return published.workflow?.hookUrl?.split('/').at(-1) ?? '';
}

const NAME = () => randomBytes(8).toString('hex');

async function deliver(at: Api, token: string, body: unknown = null, name = NAME(), signal?: AbortSignal) {
  const response = await fetch(`${at.url}/v1/hooks/${token}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': name },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const held = { id: 'held', type: 'http.request', config: { method: 'POST', url: '' } };
const hold = () => ({ ...held, config: { ...held.config, url: `${echo.url}/held` } });
const respond = (config: object) => ({ id: 'say', type: 'respond', config });
const statuses = async () => (await admin.query('SELECT status FROM app.workflow_runs')).rows.map((row) => row.status);

it('its sender hears the status, the headers and the body of the first `respond`, before the run has ended', async () => {
  const config = {
    status: 201,
    headers: { 'Content-Type': 'text/html', etag: '{% $trigger.input.body.n %}' },
    body: '<script>{% $trigger.input.body.n %}</script>',
  };
  const later = { id: 'later', type: 'respond', config: { body: 'too late' } };
  const token = await publish([respond(config), hold(), later]);
  const name = NAME();
  const answer = await deliver(api, token, { n: 7 }, name);
  expect([answer.status, answer.text]).toEqual([201, '<script>7</script>']);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/html',
    etag: '7',
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringContaining('sandbox'),
    'x-delivery-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(await statuses()).toEqual(['running']);
  await eventually('the request that is held', () => echo.callsTo('/held').length > 0);
  release();
  await eventually('the run to end', async () => (await statuses())[0] === 'succeeded', 15_000);
  // Sent again, to whichever API, it is the same delivery: the same answer and no second run.
  const again = await deliver(second, token, { n: 8 }, name);
  expect([again.status, again.text]).toEqual([201, '<script>7</script>']);
  expect(again.headers.get('x-delivery-id')).toBe(answer.headers.get('x-delivery-id'));
  expect(await statuses()).toHaveLength(1);
}, 60_000);

it('a respond without a body has none, and a body that is no text is JSON', async () => {
  const empty = await deliver(api, await publish([respond({ status: 204 })]));
  expect([empty.status, empty.text, empty.headers.get('content-type')]).toEqual([204, '', null]);
  const list = await deliver(api, await publish([respond({ body: ['{% $trigger.input.method %}', 1] })]));
  expect([list.status, list.text]).toEqual([200, '["POST",1]']);
  expect(list.headers.get('content-type')).toBe('application/json; charset=utf-8');
}, 60_000);

it('an answer of more than 64 kB is heard as a whole, from a `respond` and from the end of a run alike', async () => {
  const text = 'x'.repeat(200_000);
  const value = { text: '{% $trigger.input.body.text %}' };
  for (const node of [respond({ body: value }), { id: 'a', type: 'transform', config: { value } }]) {
    const answer = await deliver(api, await publish([node]), { text });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { text }]);
  }
}, 60_000);

it('without a `respond` its sender hears the output of the run, and of a failure no more than that', async () => {
  const fine = await deliver(api, await publish([{ id: 'a', type: 'transform', config: { value: { n: 1 } } }]));
  expect([fine.status, fine.text]).toEqual([200, '{"n":1}']);
  const fail = { id: 'no', type: 'fail', config: { code: 'SECRET_REASON', message: 'secret-canary' } };
  const failed = await deliver(api, await publish([fail]));
  expect([failed.status, JSON.parse(failed.text)]).toEqual([
    500,
    { code: 'RUN_FAILED', message: expect.any(String), requestId: failed.headers.get('x-request-id') },
  ]);
  expect(failed.text).not.toMatch(/SECRET_REASON|canary/);
  expect(JSON.stringify(api.events)).not.toContain('request_failed');
}, 60_000);

it('a run that a `respond` precedes answers by it though it fails', async () => {
  const fail = { id: 'no', type: 'fail', config: { message: 'later' } };
  const answer = await deliver(api, await publish([respond({ body: 'fine' }), fail]));
  expect([answer.status, answer.text]).toEqual([200, 'fine']);
}, 60_000);

it('its sender hears the answer though the worker is killed in the middle of the run', async () => {
  const token = await publish([hold(), respond({ body: '{% $steps.held.output.body %}' })]);
  const before = echo.callsTo('/held').length;
  const answer = deliver(api, token);
  await eventually('the request that is held', () => echo.callsTo('/held').length > before, 15_000);
  await worker.kill('SIGKILL');
  worker = await platform.startWorker();
  await eventually('another owner to send it again', () => echo.callsTo('/held').length > before + 1, 30_000);
  release();
  expect(await answer).toMatchObject({ status: 200, text: 'done' });
}, 90_000);

it('a sender that hangs up costs nothing: its run goes on, and it may ask again', async () => {
  const token = await publish([hold(), respond({ body: 'still here' })]);
  const before = echo.callsTo('/held').length;
  const [name, leaving] = [NAME(), new AbortController()];
  const first = deliver(api, token, null, name, leaving.signal).catch(() => 'hung up');
  await eventually('the run to begin', () => echo.callsTo('/held').length > before, 15_000);
  leaving.abort();
  expect(await first).toBe('hung up');
  const again = deliver(second, token, null, name);
  await delay(50);
  release();
  expect(await again).toMatchObject({ status: 200, text: 'still here' });
}, 60_000);

it('R4: accepted means stored also while Redis is away: 202 in the end, and the answer for whoever asks again', async () => {
  const impatient = await platform.startApi({ WEBHOOK_REPLY_TIMEOUT_MS: '500' });
  const token = await publish([respond({ body: 'at last' })]);
  const name = NAME();
  await platform.redis.kill();
  const first = await deliver(impatient, token, null, name);
  expect([first.status, JSON.parse(first.text)]).toEqual([202, { deliveryId: expect.any(String) }]);
  const second = deliver(api, token, null, name);
  await platform.redis.restart();
  expect(await second).toMatchObject({ status: 200, text: 'at last' });
  expect((await deliver(impatient, token, null, name)).text).toBe('at last');
}, 60_000);
