import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { registry } from '../packages/shared/src/metrics.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from './platform.ts';

const CANARY = 'canary-value-of-a-tenant';
const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: CANARY, type: 'transform', config: { value: '{% $uppercase($string($trigger.input.word)) %}' } },
    { id: 'check', type: 'condition', config: { if: '{% $trigger.input.fails %}' } },
    { id: 'end', type: 'fail', config: { code: 'NOT_GOOD', message: CANARY } },
  ],
  edges: [
    { from: CANARY, to: 'check' },
    { from: 'check', to: 'end', branch: 'true' },
  ],
};

let platform: TestPlatform;
let api: Api;
let worker: Program;
let admin: pg.Client;

beforeAll(async () => {
  platform = await preparePlatform({ SWEEP_INTERVAL_MS: '60000', API_METRICS_PORT: '0', WORKER_METRICS_PORT: '0' });
  [api, worker] = await Promise.all([platform.startApi(), platform.startWorker()]);
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin?.end();
  await platform?.stop();
});

/** Sums of the series whose line holds each of `parts`. */
function sum(text: string, name: string, ...parts: string[]): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  const matching = lines.filter((line) => parts.every((part) => line.includes(part)));
  return matching.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}

async function scrape({ events }: Pick<Program, 'events'>): Promise<string> {
  const port = events.find(({ event }) => event === 'program_started')?.detail?.metricsPort;
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return response.text();
}

async function statuses(): Promise<string[]> {
  const { rows } = await admin.query('SELECT status FROM app.workflow_runs');
  return rows.map(({ status }) => status);
}

it('after some runs both programs tell what the database tells, and name no tenant, value or secret', async () => {
  const client = await signUp(api.url);
  const runs = await publish(client, CANARY, DSL);
  for (const fails of [false, true, false])
    await fetch(`${api.url}${client.orgPath}${runs}`, {
      method: 'POST',
      headers: client.headers,
      body: JSON.stringify({ input: { word: CANARY, fails } }),
    });
  await eventually(
    'the runs to end',
    async () => (await statuses()).every((it) => /succeeded|failed/.test(it)),
    15_000,
  );
  await eventually(
    'their ends to be told',
    async () => sum(await scrape(worker), 'millrace_runs_finished_total') === 3,
  );
  const [ofApi, ofWorker] = await Promise.all([scrape(api), scrape(worker)]);

  const stored = await statuses();
  for (const status of ['succeeded', 'failed', 'cancelled']) {
    const count = stored.filter((it) => it === status).length;
    expect([status, sum(ofWorker, 'millrace_runs_finished_total', `status="${status}"`)]).toEqual([status, count]);
    expect([status, sum(ofWorker, 'millrace_run_duration_seconds_count', `status="${status}"`)]).toEqual([
      status,
      count,
    ]);
  }
  expect(sum(ofApi, 'millrace_runs_enqueued_total')).toBe(3);
  expect(sum(ofWorker, 'millrace_runs_started_total')).toBe(3);
  expect(sum(ofWorker, 'millrace_run_start_delay_seconds_count')).toBe(3);
  expect(sum(ofWorker, 'millrace_step_duration_seconds_count', 'type="transform"', 'outcome="succeeded"')).toBe(3);
  expect(sum(ofWorker, 'millrace_step_duration_seconds_count', 'type="fail"', 'outcome="failed"')).toBe(1);
  expect(sum(ofWorker, 'millrace_expression_duration_seconds_count', 'outcome="succeeded"')).toBeGreaterThan(2);
  expect(sum(ofWorker, 'millrace_run_write_batch_items_sum', 'call="claim"')).toBeGreaterThan(2);
  const route = 'route="/v1/orgs/:orgId/workflows/:workflowId/runs"';
  expect(sum(ofApi, 'millrace_http_request_duration_seconds_count', route, 'status_class="2xx"')).toBe(3);
  for (const state of ['admitted', 'held']) expect(ofApi).toContain(`millrace_runs_queued{state="${state}"} 0`);
  for (const text of [ofApi, ofWorker]) {
    expect(text).toMatch(/^millrace_queue_jobs\{state="waiting"\} \d+$/m);
    expect(sum(text, 'millrace_db_pool_connections', 'state="total"')).toBeGreaterThan(0);
    expect(sum(text, 'process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    for (const value of [CANARY, CANARY.toUpperCase(), client.orgId, client.headers.authorization])
      expect(text).not.toContain(value);
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|postgres:|redis:/);
  }
});

it('a run that was cancelled while nobody owned it is told by the API, so both together tell of every run once', async () => {
  const client = await signUp(api.url);
  const nodes = [{ id: 'wait', type: 'delay', config: { for: 'PT1H' } }];
  const runs = await publish(client, 'waits', { version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
  const { run } = await client.call('POST', runs, {});
  await eventually('the run to wait', async () => (await statuses()).includes('waiting'));
  await client.call('POST', `${runs}/${run?.id}/cancel`, {});
  const [ofApi, ofWorker] = await Promise.all([scrape(api), scrape(worker)]);
  expect(sum(ofApi, 'millrace_runs_finished_total', 'status="cancelled"')).toBe(1);
  expect(sum(`${ofApi}\n${ofWorker}`, 'millrace_runs_finished_total')).toBe((await statuses()).length);
  expect(sum(ofWorker, 'millrace_runs_paused_total', 'reason="wait"')).toBe(1);
});

it('a path that no route knows makes no series of its own', async () => {
  await fetch(`${api.url}/v1/${CANARY}`);
  const text = await scrape(api);
  expect(text).not.toContain(CANARY);
  expect(sum(text, 'millrace_http_request_duration_seconds_count', 'route="none"')).toBeGreaterThan(0);
});

it('the API itself serves no metrics, and nothing listens for them unless a port is set', async () => {
  expect((await fetch(`${api.url}/metrics`)).status).toBe(404);
  const quiet = await platform.startApi({ API_METRICS_PORT: '' });
  const started = quiet.events.find(({ event }) => event === 'program_started');
  expect(started?.detail?.metricsPort).toBeUndefined();
});

it('while Redis is away a scrape answers, and tells no depth of the queue', async () => {
  platform.redis.freeze();
  try {
    await eventually('the depth to be gone', async () => !(await scrape(api)).includes('millrace_queue_jobs{'), 10_000);
    expect(sum(await scrape(api), 'millrace_runs_enqueued_total')).toBeGreaterThan(0);
  } finally {
    platform.redis.thaw();
  }
});

it('docs/metrics.md has a row for each metric with its kind and labels, and for nothing else', async () => {
  const page = await readFile(new URL('../docs/metrics.md', import.meta.url), 'utf8');
  const described = [...page.matchAll(/^\| `(millrace_\w+)` \| (\w+) \| ([^|]*)\|/gm)].map(
    ([, name, kind, labels]) => ({
      ...{ name, kind },
      labels: [...(labels ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label).toSorted(),
    }),
  );
  const known = registry.getMetricsAsArray().map((metric) => {
    const { name, type, labelNames = [] } = metric as unknown as { name: string; type: string; labelNames?: string[] };
    return { name, kind: type, labels: [...labelNames].toSorted() };
  });
  expect(described.toSorted((a, b) => String(a.name).localeCompare(String(b.name)))).toEqual(
    known.toSorted((a, b) => a.name.localeCompare(b.name)),
  );
});
