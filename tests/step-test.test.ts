import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, send, signUp } from '../bench/client.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';

let platform: TestPlatform;
let client: Client;
let apiUrl: string;
let path: string;
const echo = createServer((request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url }));
});
let echoUrl: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  echoUrl = `http://127.0.0.1:${port}`;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  const [api] = await Promise.all([platform.startApi(), platform.startWorker()]);
  apiUrl = api.url;
  client = await signUp(apiUrl);
  const { workflow } = await client.call('POST', '/workflows', { name: 'draft', dsl: {} });
  path = `/workflows/${workflow?.id}`;
});
afterAll(async () => {
  echo.close();
  await platform.stop();
});

const dsl = (node: object) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'before', type: 'transform', config: { value: 1 } }, node, { id: 'broken', type: 'nothing' }],
  edges: [{ from: 'before', to: 'it' }],
});
const test = (node: object, sample: object = {}) =>
  client.call('POST', `${path}/test-step`, { dsl: dsl(node), stepId: 'it', sample });

it('executes one step of an unfinished document with sample values, and stores no run', async () => {
  const request = {
    id: 'it',
    type: 'http.request',
    config: { method: 'GET', url: `${echoUrl}/{% $steps.before.output.id %}` },
  };
  const answer = await test(request, { steps: { before: { id: 42 } } });
  expect(answer).toMatchObject({
    input: { method: 'GET', url: `${echoUrl}/42` },
    output: { status: 200, body: { path: '/42' } },
    error: null,
    durationMs: expect.any(Number),
  });
  expect(await client.call('GET', '/runs')).toMatchObject({ runs: [] });
});

it('tells what file a step would receive, keeps none, and has none to send', async () => {
  const config = { method: 'GET', url: `${echoUrl}/a.json`, responseType: 'file' };
  expect(await test({ id: 'it', type: 'http.request', config })).toMatchObject({
    output: { body: { $file: expect.any(String), name: 'a.json', contentType: 'application/json', sizeBytes: 18 } },
    error: null,
  });
  const body = { $file: 'any' };
  expect(await test({ id: 'it', type: 'http.request', config: { method: 'PUT', url: echoUrl, body } })).toMatchObject({
    output: null,
    error: { code: 'FILE_NOT_FOUND' },
  });
});

it('evaluates what is no plain path in the child process, and tells an error of the step as its answer', async () => {
  const sum = { id: 'it', type: 'transform', config: { value: '{% $sum($trigger.input) %}' } };
  expect(await test(sum, { input: [1, 2, 3] })).toMatchObject({ input: { value: 6 }, output: 6, error: null });
  const call = { id: 'it', type: 'http.request', config: { method: 'GET', url: 'http://127.0.0.1:1/' } };
  expect(await test(call)).toMatchObject({ output: null, error: { code: 'EGRESS_REFUSED' } });
});

it('fills what the sample does not give from pinned outputs', async () => {
  await client.call('PUT', `${path}/pins/before`, { output: 'pinned' });
  const read = { id: 'it', type: 'transform', config: { value: '{% $steps.before.output %}' } };
  expect(await test(read)).toMatchObject({ output: 'pinned' });
  const pin = { stepId: 'before', output: 'pinned', updatedAt: expect.any(String) };
  expect(await client.call('GET', `${path}/pins`)).toEqual({ pins: [pin] });
  expect(await test(read, { steps: { before: 'given' } })).toMatchObject({ output: 'given' });
  await client.call('DELETE', `${path}/pins/before`);
  expect(await client.call('GET', `${path}/pins`)).toEqual({ pins: [] });
  expect(await test(read)).toMatchObject({ output: null });
});

it('evaluates a step that waits, starts a run or loops, and leaves the rest to a run', async () => {
  const nodes = [
    { type: 'delay', config: { for: '{% $trigger.input %}' } },
    { type: 'wait.webhook', config: {} },
    { type: 'subworkflow', config: { workflowId: '0197a3c1-5e1f-7cc1-9d0b-6f1c2b3a4d5e' } },
    { type: 'foreach', config: { items: [], body: { nodes: [{ id: 'a', type: 'transform', config: { value: 1 } }] } } },
  ];
  for (const node of nodes) {
    const answer = await test({ id: 'it', ...node }, { input: 1000 });
    expect(answer).toMatchObject({ output: null, error: null });
  }
  expect(await test({ id: 'it', ...nodes[0] }, { input: 1000 })).toMatchObject({ input: { for: 1000 } });
});

it('names the problems of the step, and only those', async () => {
  const body = { dsl: dsl({ id: 'it', type: 'transform', config: {} }), stepId: 'it' };
  const refused = await send(apiUrl, client.headers, 'POST', `${client.orgPath}${path}/test-step`, body).catch(String);
  expect(refused).toMatch(/422.*WORKFLOW_INVALID.*nodes\[1\]\.config/);
  expect(refused).not.toMatch(/nodes\[2\]/);
  const unknown = { dsl: dsl({ id: 'other', type: 'transform' }), stepId: 'it' };
  await expect(client.call('POST', `${path}/test-step`, unknown)).rejects.toThrow(/400.*UNKNOWN_STEP/);
});

it('executes a node of a loop body with samples for the items around it, named by its id or by its key', async () => {
  const send = { id: 'send', type: 'transform', config: { value: '{% [$row.n, $rowIndex, $cell, $trigger.input] %}' } };
  const inner = {
    id: 'inner',
    type: 'foreach',
    config: { items: '{% $row.cells %}', as: 'cell', body: { nodes: [send] } },
  };
  const outer = { id: 'it', type: 'foreach', config: { items: '{% [1, 2] %}', as: 'row', body: { nodes: [inner] } } };
  const ask = (stepId: string, sample: object) =>
    client.call('POST', `${path}/test-step`, { dsl: dsl(outer), stepId, sample });
  const sample = { input: 'in', items: { it: { n: 7 }, inner: 'c' } };
  expect(await ask('it.3.inner.0.send', sample)).toMatchObject({ output: [7, 3, 'c', 'in'], error: null });
  expect(await ask('send', sample)).toMatchObject({ output: [7, 0, 'c', 'in'], error: null });
  expect(await ask('send', { input: 'in' })).toMatchObject({ output: [0, 'in'], error: null });
  for (const key of ['it.3.send', 'inner.0.send', 'it.x.inner.0.send', 'it.0', 'nothing.0.send'])
    await expect(ask(key, sample)).rejects.toThrow(/400.*UNKNOWN_STEP/);
});

it('names the problems of a node of a body, and joins inside it', async () => {
  const nodes = [
    { id: 'a', type: 'transform', config: { value: 1 } },
    { id: 'b', type: 'transform', config: {} },
    { id: 'both', type: 'parallel.join', config: { mode: 'all' } },
  ];
  const edges = [
    { from: 'a', to: 'both' },
    { from: 'b', to: 'both' },
  ];
  const loop = { id: 'it', type: 'foreach', config: { items: [1], body: { nodes, edges } } };
  const ask = (stepId: string) =>
    client.call('POST', `${path}/test-step`, { dsl: dsl(loop), stepId, sample: { steps: { a: 1, b: 2, before: 3 } } });
  await expect(ask('b')).rejects.toThrow(/422.*nodes\[1\]\.config\.body\.nodes\[1\]\.config/);
  expect(await ask('both')).toMatchObject({ output: { a: 1, b: 2 } });
});

it('shows what a loop or a wait would begin with, and why it could not', async () => {
  const loop = (items: unknown) => ({
    ...{ id: 'it', type: 'foreach' },
    config: { items, body: { nodes: [{ id: 'n', type: 'transform', config: { value: 1 } }] } },
  });
  expect(await test(loop('{% [1..3] %}'))).toMatchObject({ input: { items: [1, 2, 3] }, output: null, error: null });
  expect(await test(loop('{% 5 %}'))).toMatchObject({ input: { items: 5 }, error: { code: 'ITEMS_NO_LIST' } });
  const nap = { id: 'it', type: 'delay', config: { for: '{% $trigger.input %}' } };
  expect(await test(nap, { input: 60_000 })).toMatchObject({ input: { for: 60_000 }, output: null, error: null });
  expect(await test(nap, { input: 'soon' })).toMatchObject({ output: null, error: { code: expect.any(String) } });
});
