import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseEnv, promisify } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from './platform.ts';

/** docs/runbooks/workflow-queue-cutover.md and redis-loss.md, rehearsed under load with their own commands. */

const run = promisify(execFile);
const root = new URL('..', import.meta.url);
const OLD = 'workflow-runs';
const CUTOVER = 'workflow-queue-cutover.md';
const LOSS = 'redis-loss.md';
const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: '{% $trigger.input %}' } }],
};

let platform: TestPlatform;
let admin: pg.Client;
let folder: string;
let apis: [Api, Api];
let worker: Program;
const retired: Program[] = [];
const pages: Record<string, string> = {};
let start: (input: number) => Promise<number>;

beforeAll(async () => {
  for (const page of [CUTOVER, LOSS]) pages[page] = await readFile(new URL(`docs/runbooks/${page}`, root), 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'millrace-cutover-'));
  platform = await preparePlatform({ WORKFLOW_QUEUE_NAME: OLD });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  apis = [await platform.startApi(), await platform.startApi()];
  worker = await platform.startWorker();
  const client = await signUp(apis[0].url);
  const runs = await publish(client, 'cutover', DSL);
  start = async (input) => {
    // As a balancer does: another instance when one does not answer.
    for (const api of input % 2 === 0 ? apis : apis.toReversed()) {
      const init = { method: 'POST', headers: client.headers, body: JSON.stringify({ input }) };
      const answer = await fetch(`${api.url}${client.orgPath}${runs}`, init).catch(() => null);
      if (answer !== null) return answer.status;
    }
    return 0;
  };
}, 180_000);
afterAll(async () => {
  await admin?.end();
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('observe: the commands count what happened, and what stands in the queue', async () => {
  for (const input of [1, 2, 3]) expect(await start(input)).toBe(201);
  await allEnded();
  const [lines] = await runBlocks(CUTOVER, '1. Observe');
  expect(lines).toEqual([
    `${OLD}: 0 waiting, 0 active, 0 delayed`,
    'workflow_run_enqueued 3',
    'workflow_run_started 3',
    'workflow_run_retried 0',
    'workflow_run_failed 0',
    'queue_unavailable 0',
  ]);
});

it('roll out, verify, roll back: no run is refused or lost under load, and each ends with its output', async () => {
  const load = startLoad();
  const settings = settingsOf(CUTOVER, '2. Roll out');
  expect(settings).toEqual({ WORKFLOW_QUEUE_NAME: 'workflow-runs-2' });
  await moveTo(settings, OLD);
  await verify(settings);
  await moveTo({ WORKFLOW_QUEUE_NAME: OLD }, settings.WORKFLOW_QUEUE_NAME ?? '');
  await verify({ WORKFLOW_QUEUE_NAME: OLD });
  const { count, refused } = await load.stop();
  await allEnded();
  const { rows } = await admin.query(
    "SELECT count(*)::integer AS right FROM app.workflow_runs WHERE output = input AND status = 'succeeded'",
  );
  expect(rows).toEqual([{ right: count + 3 }]);
  reportFigure(
    'Queue cut-over and roll back',
    `${count} runs accepted meanwhile, ${refused} refused for a moment, 0 lost`,
  );
}, 300_000);

it('verify says stop while no worker begins runs, and go again once one does', async () => {
  await worker.kill('SIGTERM');
  retired.push(worker);
  const since = new Date().toISOString();
  for (const input of [1, 2, 3]) expect(await start(input)).toBe(201);
  await pause(1_000); // an answer may overtake the line in the log
  const [stopped] = await runBlocks(CUTOVER, '3. Verify', { SINCE: since });
  expect(stopped?.[0]).toMatch(new RegExp(`^${OLD}: [1-9]\\d* waiting, 0 active, \\d+ delayed$`));
  expect(stopped?.[1]).toBe('stop: 0 begun of 3 accepted');
  expect(Number((await queryOf(CUTOVER, '3. Verify'))[0]?.runs)).toBe(3);
  worker = await platform.startWorker({ WORKFLOW_QUEUE_NAME: OLD });
  await allEnded();
  const [going] = await runBlocks(CUTOVER, '3. Verify', { SINCE: since });
  expect(going?.[1]).toBe('go');
}, 180_000);

it('redis-loss: its commands recognize it, nothing accepted is lost by an empty one, and the programs need no restart', async () => {
  const refusedBefore = await countRefused();
  expect((await recognize()).slice(0, 2)).toEqual([[`${OLD}: 0 waiting, 0 active, 0 delayed`], ['true']]);
  const workers = await admin.query('SELECT count(*)::integer AS runs FROM app.workflow_runs');
  await worker.kill('SIGKILL');
  retired.push(worker);
  for (const input of [11, 12, 13]) expect(await start(input)).toBe(201);
  const redis = new Redis(platform.redis.url);
  await redis.flushall();
  redis.disconnect();
  await platform.redis.kill();
  expect(await start(14)).toBe(503);
  const [status, ready] = await recognize();
  expect(status).toEqual([expect.stringMatching(/^exit 2: .+/)]);
  expect(ready).toEqual(['false']);
  expect(await countRefused()).toBe(refusedBefore + 1);
  await platform.redis.restart();
  worker = await platform.startWorker({ WORKFLOW_QUEUE_NAME: OLD });
  await allEnded();
  await eventually('creates to work again', async () => (await start(15)) === 201, 10_000);
  await allEnded();
  expect((await recognize()).slice(0, 2)).toEqual([[`${OLD}: 0 waiting, 0 active, 0 delayed`], ['true']]);
  expect(await queryOf(LOSS, '3. Verify')).toEqual([{ runs: '0', oldest: 0 }]);
  const { rows } = await admin.query(
    "SELECT count(*)::integer AS runs FROM app.workflow_runs WHERE status = 'succeeded'",
  );
  expect(rows[0].runs).toBe(workers.rows[0].runs + 4);
}, 180_000);

/** Steps 1 to 4 of the roll-out, which are also those of the roll back. */
async function moveTo(settings: Record<string, string>, old: string): Promise<void> {
  const next = await platform.startWorker(settings);
  await restartApis(settings);
  await runBlocks(CUTOVER, '2. Roll out', { OLD: old });
  expect(await worker.kill('SIGTERM')).toBe(0);
  retired.push(worker);
  worker = next;
}

async function restartApis(settings: Record<string, string>): Promise<void> {
  for (const index of [0, 1] as const) {
    retired.push(apis[index]);
    expect(await apis[index].kill('SIGTERM')).toBe(0);
    apis[index] = await platform.startApi(settings);
  }
}

async function verify(settings: Record<string, string>): Promise<void> {
  const since = new Date().toISOString();
  await pause(2_000);
  const [lines] = await runBlocks(CUTOVER, '3. Verify', { ...settings, SINCE: since });
  expect(lines?.[0]).toMatch(new RegExp(`^${settings.WORKFLOW_QUEUE_NAME}: \\d+ waiting, \\d+ active, \\d+ delayed$`));
  expect(lines?.[1]).toBe('go');
  expect(lines?.[2]).toMatch(/^(go|stop: [1-9]\d* refused because of the queue)$/);
  const [due] = await queryOf(CUTOVER, '3. Verify');
  expect(due?.oldest).toBeLessThan(30);
}

function startLoad() {
  let isStopped = false;
  let count = 0;
  // A machine that is busy with other things may be too slow for the queue's half a second: who is refused asks again.
  let refused = 0;
  const loading = (async () => {
    for (let input = 1_000; !isStopped; input += 1) {
      const status = await start(input);
      // 0: an API that ends closed the connection while the request was on its way, which it never read.
      expect([201, 503, 0]).toContain(status);
      if (status === 201) count += 1;
      else refused += 1;
      await pause(30);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await loading;
      return { count, refused };
    },
  };
}

async function allEnded(): Promise<void> {
  const open = async () => (await admin.query('SELECT FROM app.workflow_runs WHERE finished_at IS NULL')).rows;
  await eventually('all runs to end', async () => (await open()).length === 0, 60_000);
}

async function countRefused(): Promise<number> {
  const [, , lines = []] = await recognize();
  return lines.reduce((sum, line) => sum + Number(line.split('\t')[0]), 0);
}

function recognize(): Promise<string[][]> {
  return runBlocks(LOSS, '1. Recognize');
}

function section(page: string, title: string): string {
  const text = pages[page]?.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (text === undefined) throw new Error(`${page} has no section "${title}"`);
  return text;
}

function blocksOf(page: string, title: string, language: string): string[] {
  const blocks = section(page, title).matchAll(new RegExp(`^ *\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\``, 'gm'));
  return [...blocks].map(([, code]) => code ?? '');
}

function settingsOf(page: string, title: string): Record<string, string> {
  return parseEnv(blocksOf(page, title, 'env')[0] ?? '') as Record<string, string>;
}

async function queryOf(page: string, title: string): Promise<{ runs: string; oldest: number }[]> {
  return (await admin.query(blocksOf(page, title, 'sql')[0] ?? '')).rows;
}

/** Runs each block as it stands there; answers the lines it printed. Only Node and what every shell has is within reach. */
async function runBlocks(page: string, title: string, env: Record<string, string> = {}): Promise<string[][]> {
  const file = join(folder, 'all.log');
  const lines = [...retired, ...apis, worker].flatMap(({ events }) => events).map((event) => JSON.stringify(event));
  await writeFile(file, `${lines.join('\n')}\n`);
  const path = `${join(process.execPath, '..')}:/usr/bin:/bin`;
  const given = { PATH: path, REDIS_URL: platform.redis.url, API: apis[0].url, LOG: file };
  const outputs: string[][] = [];
  for (const block of blocksOf(page, title, 'sh')) {
    const settings = { cwd: root, env: { WORKFLOW_QUEUE_NAME: OLD, ...given, ...env }, timeout: 60_000 };
    const { stdout } = await run('/bin/sh', ['-c', block], settings).catch(
      (error: { code: number; stderr: string }) => ({
        stdout: `exit ${error.code}: ${error.stderr.trim()}`,
      }),
    );
    outputs.push(stdout.split('\n').filter(Boolean));
  }
  return outputs;
}
