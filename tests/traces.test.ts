import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';
import { type Collector, type ReceivedSpan, startCollector } from './testing-collector.ts';

const CANARY = 'canary-value-of-a-tenant';
const COLLECTOR_KEY = 'canary-key-of-the-collector';
const STRANGER = '0af7651916cd43dd8448eb211c80319c';

let platform: TestPlatform;
let collector: Collector;
let client: Client;
let apiUrl: string;
let runsPath: string;
let echo: Server;
const received: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  echo = createServer((request, response) => {
    received.push(request.headers);
    response.writeHead(received.length === 1 ? 503 : 200, { 'content-type': 'application/json' }).end('{"ok":true}');
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  collector = await startCollector();
  platform = await preparePlatform({
    SWEEP_INTERVAL_MS: '60000',
    EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${COLLECTOR_KEY}`,
  });
  const [api, worker] = await Promise.all([platform.startApi(), platform.startWorker()]);
  apiUrl = api.url;
  client = await signUp(apiUrl);
  runsPath = await publish(client, CANARY, {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [
      { id: CANARY, type: 'transform', config: { value: '{% $trigger.input %}' } },
      {
        ...{ id: 'call', type: 'http.request', retry: { maxAttempts: 2, backoffMs: 10 } },
        config: { method: 'GET', url: `http://127.0.0.1:${port}/?q=${CANARY}` },
      },
    ],
  });
  const runId = await startRun();
  await eventually(
    'the run to end',
    async () => (await client.call('GET', `${runsPath}/${runId}`)).run?.status === 'succeeded',
    15_000,
  );
  // Ending sends what is left, so that what follows sees everything.
  await Promise.all([api.kill('SIGTERM'), worker.kill('SIGTERM')]);
}, 60_000);
afterAll(async () => {
  echo?.close();
  await platform?.stop();
  await collector?.close();
});

async function startRun(): Promise<string> {
  const response = await fetch(`${apiUrl}${client.orgPath}${runsPath}`, {
    method: 'POST',
    headers: { ...client.headers, traceparent: `00-${STRANGER}-b7ad6b7169203331-01` },
    body: JSON.stringify({ input: CANARY }),
  });
  return ((await response.json()) as { run: { id: string } }).run.id;
}

const named = (name: string) => collector.spans.filter((span) => span.name === name);
const requestSpan = () => named('POST /v1/orgs/:orgId/workflows/:workflowId/runs')[0] as ReceivedSpan;

it('one trace goes from the request through the queue to each attempt of each step, across a retry', () => {
  const request = requestSpan();
  expect(request).toMatchObject({ service: 'millrace-api', isError: false });
  expect(request.attributes).toMatchObject({ 'http.response.status_code': 201, 'http.request.method': 'POST' });
  const claims = named('run')
    .filter(({ traceId }) => traceId === request.traceId)
    .toSorted((a, b) => Number(a.attributes['millrace.run.claim']) - Number(b.attributes['millrace.run.claim']));
  expect(claims.map(({ attributes }) => attributes['millrace.outcome'])).toEqual(['paused', 'succeeded']);
  for (const claim of claims)
    expect(claim).toMatchObject({ service: 'millrace-worker', parentSpanId: request.spanId, isError: false });
  const steps = collector.spans.filter(({ name }) => name.startsWith('step '));
  expect(new Set(steps.map(({ traceId }) => traceId))).toEqual(new Set([request.traceId]));
  const told = steps.map(({ attributes, parentSpanId, isError }) => [
    claims.findIndex(({ spanId }) => spanId === parentSpanId),
    attributes['millrace.step.type'],
    attributes['millrace.step.attempt'],
    attributes['millrace.outcome'],
    isError,
  ]);
  expect(told).toEqual([
    [0, 'transform', 1, 'succeeded', false],
    [0, 'http.request', 1, 'failed', true],
    [1, 'http.request', 2, 'succeeded', false],
  ]);
  const ids = steps.map(({ attributes }) => attributes['millrace.run.id']);
  expect(new Set(ids)).toEqual(new Set([claims[0]?.attributes['millrace.run.id']]));
});

it("a caller's own trace is linked and not joined, and no step hands ours on", () => {
  expect(requestSpan()).toMatchObject({ links: [STRANGER] });
  expect(requestSpan().parentSpanId).toBeUndefined();
  expect(collector.spans.map(({ traceId }) => traceId)).not.toContain(STRANGER);
  expect(received).toHaveLength(2);
  for (const headers of received) expect(Object.keys(headers)).not.toContain('traceparent');
});

it('T10: no value, URL or secret is in a trace; the key of the collector is in its header alone', () => {
  const text = collector.bodies.join('\n');
  expect(text.length).toBeGreaterThan(1000);
  const { authorization, 'x-org-id': orgId } = client.headers;
  const secrets = [CANARY, COLLECTOR_KEY, orgId, authorization, client.credentials.email, client.credentials.password];
  for (const value of [...secrets, 'postgres://', 'redis://', 'http://127.0.0.1']) expect(text).not.toContain(value);
  for (const headers of collector.headers) expect(headers).toContain(COLLECTOR_KEY);
});

it('while the collector is away runs end as ever, the log says so, and the programs end in time', {
  timeout: 60_000,
}, async () => {
  const away = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TIMEOUT: '500' };
  const [api, worker] = await Promise.all([platform.startApi(away), platform.startWorker(away)]);
  apiUrl = api.url;
  const path = `${client.orgPath}${runsPath}/${await startRun()}`;
  const read = async () => (await fetch(`${apiUrl}${path}`, { headers: client.headers })).json();
  await eventually(
    'the run to end',
    async () => ((await read()) as { run: { status: string } }).run.status === 'succeeded',
    15_000,
  );
  const failures = () => [...api.events, ...worker.events].filter(({ event }) => event.endsWith('_failed'));
  await eventually('both to tell of it', () => new Set(failures().map(({ program }) => program)).size === 2, 20_000);
  const endedWithin = performance.now();
  await Promise.all([api.kill('SIGTERM'), worker.kill('SIGTERM')]);
  expect(performance.now() - endedWithin).toBeLessThan(10_000);
  expect(failures().filter(({ dependency }) => dependency !== 'traces')).toEqual([]);
});

it('nothing of the SDK is loaded while no collector is set', async () => {
  const loaded = await modulesOf({});
  expect(loaded.some((url) => url.includes('/prom-client/'))).toBe(true);
  expect(loaded.filter((url) => /@opentelemetry\/(?!api\/)/.test(url))).toEqual([]);
  const withCollector = await modulesOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  expect(withCollector.some((url) => url.includes('@opentelemetry/sdk-trace/'))).toBe(true);
});

/** Every module that the worker's parts load, in a process of their own. */
async function modulesOf(env: Record<string, string>): Promise<string[]> {
  const code = `
    const { registerHooks } = await import('node:module');
    const seen = [];
    registerHooks({ resolve(name, context, next) { const found = next(name, context); seen.push(found.url); return found; } });
    const { openDeps, closeDeps } = await import('./apps/worker/src/deps.ts');
    const { createLog } = await import('./packages/shared/src/log.ts');
    const { parseConfig, WorkerConfig } = await import('./packages/shared/src/config.ts');
    const signal = new AbortController().signal;
    const config = parseConfig(WorkerConfig, process.env);
    await closeDeps(await openDeps(config, createLog('test', 'silent'), { draining: signal, stopping: signal }));
    process.stdout.write(JSON.stringify(seen), () => process.exit(0));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd: `${import.meta.dirname}/..`,
    env: { ...platform.env, OTEL_EXPORTER_OTLP_ENDPOINT: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const text = (await child.stdout.toArray()).map(String).join('');
  return JSON.parse(text);
}
