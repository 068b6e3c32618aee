import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';

/** Finished is finished: a retried run repeats no call that a run before it made with success. */

let platform: TestPlatform;
let admin: pg.Client;
let client: Client;
const calls: string[] = [];
const bodies = new Map<string, string>();
/** Paths that answer 500. */
const broken = new Set<string>();
const echo = createServer((request, response) => {
  const path = request.url ?? '';
  calls.push(path);
  response.statusCode = broken.has(path) ? 500 : 200;
  response.setHeader('content-type', 'application/json');
  const answer = JSON.stringify({ path, call: calls.length });
  void text(request).then((body) => {
    bodies.set(path, body);
    response.end(answer);
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  const [api] = await Promise.all([platform.startApi(), platform.startWorker()]);
  client = await signUp(api.url);
}, 60_000);
afterAll(async () => {
  echo.close();
  await admin.end();
  await platform.stop();
});

function request(id: string, path = `/${id}`) {
  const { port } = echo.address() as AddressInfo;
  const config = { method: 'GET', url: `http://127.0.0.1:${port}${path}` };
  return { id, type: 'http.request', config, retry: { maxAttempts: 1 } };
}

const documentOf = (nodes: object[], more: object = {}) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes,
  ...more,
});

/** The run once it has ended. */
async function ended(runId: string | undefined) {
  const read = async () =>
    (await admin.query('SELECT status, output FROM app.workflow_runs WHERE id = $1', [runId])).rows[0];
  await eventually('the run to end', async () => ['succeeded', 'failed', 'cancelled'].includes((await read()).status));
  return (await read()) as { status: string; output: unknown };
}

async function keysOf(runId: string | undefined): Promise<string[]> {
  const { rows } = await admin.query(
    `SELECT step_key FROM app.workflow_run_steps WHERE run_id = $1 AND status = 'succeeded' ORDER BY step_key`,
    [runId],
  );
  return rows.map(({ step_key }) => step_key);
}

it('goes on at the step that failed, calls nothing twice and reads the outputs that were copied', async () => {
  const last = request('last', '/last/{% $steps.first.output.body.call %}-{% $steps.each.output[1].body.path %}');
  const each = {
    ...{ id: 'each', type: 'foreach' },
    config: { items: [1, 2], as: 'item', body: { nodes: [request('inner', '/inner/{% $item %}')] } },
  };
  const runs = await publish(client, 'Retried', documentOf([request('first'), each, request('shaky'), last]));
  broken.add('/shaky');
  const { run } = await client.call('POST', runs, {});
  expect((await ended(run?.id)).status).toBe('failed');
  const before = [...calls];
  expect(before.toSorted()).toEqual(['/first', '/inner/1', '/inner/2', '/shaky']);

  const again = await client.call('POST', `${runs}/${run?.id}/retry`, {});
  expect((await ended(again.run?.id)).status).toBe('failed');
  expect(calls.slice(before.length)).toEqual(['/shaky']);

  broken.clear();
  const third = await client.call('POST', `${runs}/${again.run?.id}/retry`, {});
  expect((await ended(third.run?.id)).status).toBe('succeeded');
  expect(calls.slice(before.length + 1)).toEqual(['/shaky', `/last/${before.indexOf('/first') + 1}-/inner/2`]);
  const kept = ['each', 'each.0', 'each.0.inner', 'each.1', 'each.1.inner', 'first'];
  expect(await keysOf(third.run?.id)).toEqual([...kept, 'last', 'shaky']);
});

it('sends the files that finished steps received, copied with them, in loops too', async () => {
  calls.length = 0;
  bodies.clear();
  const download = (id: string, path: string) => {
    const { config, ...rest } = request(id, path);
    return { ...rest, config: { ...config, responseType: 'file' } };
  };
  const upload = (id: string, path: string, body: string) => {
    const { config, ...rest } = request(id, path);
    return { ...rest, config: { ...config, method: 'PUT', body } };
  };
  const body = { nodes: [download('inner', '/file/{% $item %}')] };
  const nodes = [
    download('file', '/file'),
    { id: 'each', type: 'foreach', config: { items: [1, 2], body } },
    request('shaky'),
    upload('one', '/up/one', '{% $steps.file.output.body %}'),
    upload('two', '/up/two', '{% $steps.each.output[1].body %}'),
  ];
  const runs = await publish(client, 'Files', documentOf(nodes));
  broken.add('/shaky');
  const { run } = await client.call('POST', runs, {});
  expect((await ended(run?.id)).status).toBe('failed');
  const before = [...calls];
  broken.clear();
  const again = await client.call('POST', `${runs}/${run?.id}/retry`, {});
  // Its copies are its own: those of the first run may go.
  await admin.query('DELETE FROM app.workflow_run_files WHERE run_id = $1', [run?.id]);
  expect((await ended(again.run?.id)).status).toBe('succeeded');
  expect(calls.slice(before.length)).toEqual(['/shaky', '/up/one', '/up/two']);
  for (const [sent, path] of [
    ['/up/one', '/file'],
    ['/up/two', '/file/2'],
  ] as const)
    expect(JSON.parse(bodies.get(sent) ?? 'null')).toEqual({ path, call: before.indexOf(path) + 1 });
});

it('goes on inside a loop: iterations that ended are not done again, nor is a turn of a repeat', async () => {
  calls.length = 0;
  const config = {
    items: '{% $trigger.input %}',
    body: { nodes: [request('inner', '/item/{% $item %}')], output: '{% $steps.inner.output.body.path %}' },
  };
  const turns = {
    maxTimes: 3,
    until: false,
    as: 'turn',
    body: { nodes: [request('more', '/turn/{% $turn ?? 0 %}')], output: '{% $turnIndex + 1 %}' },
  };
  const nodes = [
    { id: 'each', type: 'foreach', config },
    { id: 'again', type: 'repeat', config: turns },
  ];
  const runs = await publish(
    client,
    'Looped',
    documentOf(nodes, { output: { items: '{% $steps.each.output %}', turns: '{% $steps.again.output %}' } }),
  );
  broken.add('/item/c').add('/turn/1');
  const { run } = await client.call('POST', runs, { input: ['a', 'b', 'c', 'd'] });
  expect((await ended(run?.id)).status).toBe('failed');
  broken.delete('/item/c');
  const again = await client.call('POST', `${runs}/${run?.id}/retry`, {});
  expect((await ended(again.run?.id)).status).toBe('failed');
  broken.clear();
  const third = await client.call('POST', `${runs}/${again.run?.id}/retry`, {});
  expect(await ended(third.run?.id)).toEqual({
    status: 'succeeded',
    output: { items: ['/item/a', '/item/b', '/item/c', '/item/d'], turns: [1, 2, 3] },
  });
  const [items, turnsMade] = [
    ['/item/a', '/item/b', '/item/c'],
    ['/turn/0', '/turn/1'],
  ];
  expect(calls).toEqual([...items, '/item/c', '/item/d', ...turnsMade, '/turn/1', '/turn/2']);
  const { rows } = await admin.query(
    `SELECT status, error, finished_at IS NOT NULL AS ended FROM app.workflow_run_steps WHERE run_id = $1 AND step_key IN ('each', 'again')`,
    [third.run?.id],
  );
  expect(rows).toEqual(Array(2).fill({ status: 'succeeded', error: null, ended: true }));
});

it('repeats nothing that had finished in iterations side by side, in loops within loops too', async () => {
  calls.length = 0;
  const { port } = echo.address() as AddressInfo;
  const post = (id: string, path: string) => {
    const config = { method: 'POST', url: `http://127.0.0.1:${port}${path}` };
    return { ...request(id), config, idempotency: 'none' };
  };
  const inner = {
    ...{ id: 'parts', type: 'foreach' },
    config: { items: ['x', 'y'], as: 'part', body: { nodes: [post('send', '/send/{% $item & $part %}')] } },
  };
  const tell = post('tell', '/tell/{% $steps.charge.output.body.path %}');
  const config = {
    items: '{% $trigger.input %}',
    concurrency: 3,
    body: { nodes: [post('charge', '/charge/{% $item %}'), inner, tell] },
  };
  const runs = await publish(client, 'Side by side', documentOf([{ id: 'each', type: 'foreach', config }]));
  broken.add('/send/by');
  const { run } = await client.call('POST', runs, { input: ['a', 'b', 'c'] });
  expect((await ended(run?.id)).status).toBe('failed');
  const before = calls.filter((path) => path !== '/send/by');
  broken.clear();
  const again = await client.call('POST', `${runs}/${run?.id}/retry`, {});
  expect(await ended(again.run?.id)).toMatchObject({ status: 'succeeded' });
  expect(before).toEqual(expect.arrayContaining(['/charge/b', '/send/bx']));
  const all = ['a', 'b', 'c'].flatMap((item) => [
    `/charge/${item}`,
    `/send/${item}x`,
    `/send/${item}y`,
    `/tell//charge/${item}`,
  ]);
  // What was under way when the other one failed was aborted, and nobody knows whether it came through.
  const repeated = calls.filter((path, index) => calls.indexOf(path) < index);
  const aborted = await abortedOf(run?.id);
  expect(repeated.filter((path) => path !== '/send/by' && !aborted.includes(path))).toEqual([]);
  expect(new Set(calls)).toEqual(new Set(all));
});

/** Paths of the calls that were under way when the run failed. */
async function abortedOf(runId: string | undefined): Promise<string[]> {
  const { rows } = await admin.query(
    `SELECT input ->> 'url' AS url FROM app.workflow_run_steps WHERE run_id = $1 AND status = 'cancelled' AND input ? 'url'`,
    [runId],
  );
  return rows.map(({ url }) => new URL(url).pathname);
}

it('of a run that was cancelled while it waited, begins the wait anew and keeps what was before', async () => {
  calls.length = 0;
  const nodes = [request('before'), { id: 'pause', type: 'delay', config: { for: 3_600_000 } }];
  const runs = await publish(client, 'Cancelled', documentOf(nodes));
  const { run } = await client.call('POST', runs, {});
  const statusOf = async (id: string | undefined) =>
    (await admin.query('SELECT status FROM app.workflow_runs WHERE id = $1', [id])).rows[0]?.status;
  await eventually('the run to wait', async () => (await statusOf(run?.id)) === 'waiting');
  await client.call('POST', `${runs}/${run?.id}/cancel`);
  const again = await client.call('POST', `${runs}/${run?.id}/retry`, {});
  await eventually('the retried run to wait', async () => (await statusOf(again.run?.id)) === 'waiting');
  expect(calls).toEqual(['/before']);
});

it('with `latest` starts over on the latest version, and calls everything again', async () => {
  calls.length = 0;
  broken.add('/old');
  const path = await publish(client, 'Latest', documentOf([request('first'), request('second', '/old')]));
  const { run } = await client.call('POST', path, {});
  expect((await ended(run?.id)).status).toBe('failed');
  const workflow = path.replace(/\/runs$/, '');
  const dsl = documentOf([request('first'), request('second', '/new')]);
  await client.call('PATCH', workflow, { name: 'Latest', dsl, revision: 1 });
  await client.call('POST', `${workflow}/publish`, {});
  const again = await client.call('POST', `${path}/${run?.id}/retry`, { latest: true });
  expect((await ended(again.run?.id)).status).toBe('succeeded');
  expect(calls).toEqual(['/first', '/old', '/first', '/new']);
});
