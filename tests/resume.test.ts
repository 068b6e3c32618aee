import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EchoServer, startEcho } from '../apps/worker/src/testing-echo.ts';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from './platform.ts';

/** A call to a waiting step over HTTP: accepted means stored, whatever is killed around it. */

let platform: TestPlatform;
let admin: pg.Client;
let echo: EchoServer;
let api: Api;
let worker: Program;
let client: Client;

beforeAll(async () => {
  echo = await startEcho((_call, response) => void response.end('ok'));
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: echo.egress });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  [api, worker] = await Promise.all([platform.startApi(), platform.startWorker()]);
  client = await signUp(api.url);
}, 60_000);
afterAll(async () => {
  await admin.end();
  await platform.stop();
  await echo.close();
});

/** Starts a run that sends its address away and waits there; answers the address on this test's API. */
async function startWaiting(config: object = {}) {
  const path = `/told-${echo.calls.length}`;
  const body = { url: '{% $steps.wait.resumeUrl %}' };
  const nodes = [
    { id: 'tell', type: 'http.request', config: { method: 'POST', url: `${echo.url}${path}`, body } },
    { id: 'wait', type: 'wait.webhook', config },
  ];
  const runs = await publish(client, 'waits', { version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
  const { run } = await client.call('POST', runs, {});
  await eventually('the address to be told', () => echo.callsTo(path).length > 0, 20_000);
  const told = new URL((JSON.parse(echo.callsTo(path)[0]?.body ?? '') as { url: string }).url);
  const read = async () =>
    (await admin.query('SELECT status, output FROM app.workflow_runs WHERE id = $1', [run?.id])).rows[0];
  const until = (status: string) =>
    eventually(`the run to be ${status}`, async () => (await read()).status === status, 20_000);
  return { url: `${api.url}${told.pathname}`, read, until };
}

async function send(url: string, init: RequestInit = {}) {
  const response = await fetch(url, { method: 'POST', ...init });
  const body = (await response.json()) as { ok?: boolean; code?: string };
  return { status: response.status, said: body.code ?? body, allow: response.headers.get('allow') };
}

const JSON_BODY = {
  headers: { 'content-type': 'application/json', authorization: 'Bearer secret-canary' },
  body: '{"n":1}',
};

it('the run sees the call as it would see the request of a webhook; a second call is refused', async () => {
  const { url, read, until } = await startWaiting();
  await until('waiting');
  expect(await send(`${url}?a=1`, JSON_BODY)).toMatchObject({ status: 202, said: { ok: true } });
  expect(await send(url, JSON_BODY)).toMatchObject({ status: 409, said: 'ALREADY_RESUMED' });
  await until('succeeded');
  const { output } = await read();
  expect(output).toMatchObject({ method: 'POST', query: { a: '1' }, body: { n: 1 } });
  expect(JSON.stringify(output)).not.toContain('secret-canary');
  expect(await send(url, JSON_BODY)).toMatchObject({ status: 409, said: 'ALREADY_RESUMED' });
}, 60_000);

it('what is no address of a waiting step, or not a method it takes, is refused and changes nothing', async () => {
  const { url, read, until } = await startWaiting({ methods: ['GET'] });
  await until('waiting');
  const [prefix, token, stepKey] = [url.slice(0, url.indexOf('/resume/') + 8), ...url.split('/').slice(-2)];
  const others = [`${prefix}${token}/tell`, `${prefix}${'A'.repeat(86)}/${stepKey}`, `${prefix}x/${stepKey}`];
  for (const other of others) expect(await send(other, { method: 'GET' })).toMatchObject({ status: 404 });
  expect(await send(url)).toMatchObject({ status: 405, allow: 'GET' });
  expect(await send(url, { method: 'GET', headers: { accept: '*/*' } })).toMatchObject({ status: 202 });
  await until('succeeded');
  expect((await read()).output).toMatchObject({ method: 'GET', body: null });
}, 60_000);

it('after its time nobody is waited for: 410', async () => {
  const { url, until } = await startWaiting({ timeoutMs: 100 });
  await until('failed');
  expect(await send(url)).toMatchObject({ status: 410, said: 'RESUME_EXPIRED' });
}, 60_000);

it('R4: a call is accepted while Redis is killed and no worker is there, and taken in once both are back', async () => {
  const { url, read, until } = await startWaiting();
  await until('waiting');
  await worker.kill('SIGKILL');
  await platform.redis.kill();
  expect(await send(url, JSON_BODY)).toMatchObject({ status: 202 });
  await platform.redis.restart();
  worker = await platform.startWorker();
  await until('succeeded');
  expect((await read()).output).toMatchObject({ body: { n: 1 } });
}, 60_000);

it('an API that is killed while a call is stored leaves it accepted, or not made at all', async () => {
  const { url, until } = await startWaiting();
  await until('waiting');
  const dying = await platform.startApi();
  const locker = new pg.Client({ connectionString: platform.database.adminUrl });
  await locker.connect();
  await locker.query('BEGIN');
  await locker.query('LOCK TABLE app.workflow_run_calls IN ACCESS EXCLUSIVE MODE');
  const answer = send(url.replace(api.url, dying.url), JSON_BODY).catch(() => 'no answer');
  const blocked = `FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%call_step%'
    AND datname = current_database()`;
  await eventually('the call to be tried', async () => (await admin.query(`SELECT ${blocked}`)).rowCount !== 0, 15_000);
  await dying.kill('SIGKILL');
  expect(await answer).toBe('no answer');
  await admin.query(`SELECT pg_terminate_backend(pid) ${blocked}`);
  await locker.end();
  expect(await send(url, JSON_BODY)).toMatchObject({ status: 202 });
  await until('succeeded');
}, 60_000);
