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

it('names the problems of the step, and only those', async () => {
  const body = { dsl: dsl({ id: 'it', type: 'transform', config: {} }), stepId: 'it' };
  const refused = await send(apiUrl, client.headers, 'POST', `${client.orgPath}${path}/test-step`, body).catch(String);
  expect(refused).toMatch(/422.*WORKFLOW_INVALID.*nodes\[1\]\.config/);
  expect(refused).not.toMatch(/nodes\[2\]/);
  const unknown = { dsl: dsl({ id: 'other', type: 'transform' }), stepId: 'it' };
  await expect(client.call('POST', `${path}/test-step`, unknown)).rejects.toThrow(/400.*UNKNOWN_STEP/);
});
