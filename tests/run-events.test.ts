import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { type EventReader, readEvents } from '../packages/shared/src/testing-event-stream.ts';
import { type Api, preparePlatform, type TestPlatform } from './platform.ts';

/** The timeline of runs that real workers execute, read from real API processes. */

const STEPS = 20;
let platform: TestPlatform;
let apis: [Api, Api];
let client: Client;
const echo = createServer((_request, response) => {
  setTimeout(() => response.setHeader('content-type', 'application/json').end('{}'), 40);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  const [one, two] = await Promise.all([platform.startApi(), platform.startApi(), platform.startWorker()]);
  apis = [one, two];
  client = await signUp(one.url);
}, 60_000);
afterAll(async () => {
  echo.close();
  await platform.stop();
});

/** A chain of calls that take a moment each, so that each is a record of its own. */
function chainOf(count: number): object {
  const { port } = echo.address() as AddressInfo;
  const config = { method: 'GET', url: `http://127.0.0.1:${port}/` };
  const nodes = Array.from({ length: count }, (_, index) => ({ id: `s${index}`, type: 'http.request', config }));
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
}

const WAITING = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'pause', type: 'delay', config: { for: 3_600_000 } }],
};

function follow(api: Api, runPath: string, lastEventId?: string): Promise<EventReader> {
  const headers = { ...client.headers, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
  return readEvents(`${api.url}${client.orgPath}${runPath}/events`, headers);
}

it('delivers a step that changed within 300 ms of its commit, and ends with the run', async () => {
  const runs = await publish(client, 'Timed', chainOf(STEPS));
  const { run } = await client.call('POST', runs, {});
  const reader = await follow(apis[1], `${runs}/${run?.id}`);
  expect(reader.status).toBe(200);
  expect(reader.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(reader.headers.get('cache-control')).toBe('no-cache, no-transform');
  await reader.ended;
  const told = reader.events.filter(({ name }) => name === 'message');
  const succeeded = told.filter(({ data }) => data.type === 'step.succeeded');
  expect(succeeded.map(({ data }) => data.stepId)).toEqual(Array.from({ length: STEPS }, (_, index) => `s${index}`));
  expect(told.at(-1)?.data.type).toBe('run.succeeded');
  expect(reader.events.at(-1)).toMatchObject({ name: 'end', id: undefined });
  const delays = succeeded.map(({ data, receivedAt }) => receivedAt - Date.parse(data.at ?? ''));
  const p95 = delays.toSorted((a, b) => a - b)[Math.floor(STEPS * 0.95) - 1] ?? Number.POSITIVE_INFINITY;
  reportFigure('Live timeline', `a step is seen ${p95} ms after its commit (p95 of ${STEPS})`);
  expect(p95).toBeLessThan(300);
});

it('loses and doubles nothing for a reader that changes between instances after every event', async () => {
  const runs = await publish(client, 'Resumed', chainOf(8));
  const { run } = await client.call('POST', runs, {});
  const path = `${runs}/${run?.id}`;
  const whole = await follow(apis[0], path);
  const ids: string[] = [];
  for (let round = 0; ; round += 1) {
    const reader = await follow(apis[round % 2 === 0 ? 0 : 1], path, ids.at(-1));
    await eventually('an event', () => reader.events.length > 0);
    reader.close();
    const [first] = reader.events;
    if (first?.name === 'end') break;
    ids.push(String(first?.id));
  }
  await whole.ended;
  expect(ids).toEqual(whole.events.flatMap(({ id }) => id ?? []));
  expect(new Set(ids).size).toBe(ids.length);
  const late = await follow(apis[1], path);
  await late.ended;
  expect(late.events.map(({ id, data }) => [id, data])).toEqual(whole.events.map(({ id, data }) => [id, data]));
});

it('tells of the end of a run that is cancelled while nobody executes it', async () => {
  const runs = await publish(client, 'Waiting', WAITING);
  const { run } = await client.call('POST', runs, {});
  const reader = await follow(apis[0], `${runs}/${run?.id}`);
  await eventually('the wait', () => reader.events.some(({ data }) => data.type === 'step.waiting'));
  await client.call('POST', `${runs}/${run?.id}/cancel`);
  await reader.ended;
  expect(reader.events.slice(-2)).toMatchObject([{ data: { type: 'run.cancel_requested' } }, { name: 'end' }]);
});

it('ends its streams at once when the program is told to stop', async () => {
  const runs = await publish(client, 'Left open', WAITING);
  const { run } = await client.call('POST', runs, {});
  const api = await platform.startApi();
  const readers = await Promise.all([follow(api, `${runs}/${run?.id}`), follow(api, `${runs}/${run?.id}`)]);
  await eventually('the wait', () => readers.every(({ events }) => events.length > 0));
  const startedAt = performance.now();
  await api.kill('SIGTERM');
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await Promise.all(readers.map(({ ended }) => ended));
  expect(readers.flatMap(({ events }) => events.filter(({ name }) => name === 'end'))).toEqual([]);
});
