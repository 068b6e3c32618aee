import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import { type Program, preparePlatform, type TestPlatform } from '../platform.ts';

/**
 * Runs that kill whoever executes them: two workers with little memory, which are started again whenever they die, meet
 * documents that need more than there is. The poison has to end, and everybody else has to go on.
 */

const LITTLE_MEMORY = { NODE_OPTIONS: '--max-old-space-size=96' };
/** As JSON within the limit of an answer, as objects more than twice of what a worker has. */
const POISON = `[${'{},'.repeat(3_300_000)}{}]`;
/** How many lost owners a run has before it is given up, see docs/architecture.md. */
const MOST_DEATHS = 10;
const END_MS = 600_000;

let platform: TestPlatform;
let admin: pg.Client;
let client: Client;
const calls: Record<string, number> = {};
const echo = createServer((request, response) => {
  const path = request.url ?? '';
  calls[path] = (calls[path] ?? 0) + 1;
  response.setHeader('content-type', 'application/json').end(path.startsWith('/poison') ? POISON : '{}');
});
let echoUrl = '';

let isOver = false;
const living = new Set<Program>();
let deaths = 0;
const supervised: Promise<void>[] = [];

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  echoUrl = `http://127.0.0.1:${port}`;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  client = await signUp((await platform.startApi()).url);
  supervised.push(keepWorking(), keepWorking());
  if (process.env.CHAOS_FULL !== '1') supervised.push(shortenSilence());
  await eventually('two workers to run', () => living.size === 2, 60_000);
}, 180_000);
afterAll(async () => {
  isOver = true;
  await Promise.all(supervised);
  echo.close();
  await admin?.end();
  await platform?.stop();
}, 60_000);

/** What a supervisor does: the worker that died is started again. */
async function keepWorking(): Promise<void> {
  while (!isOver) {
    const worker = await platform.startWorker(LITTLE_MEMORY, { showsErrors: false });
    living.add(worker);
    while (worker.isRunning() && !isOver) await pause(20);
    living.delete(worker);
    if (isOver) return;
    deaths += 1;
  }
}

/** Ten dead owners in a row are waited for 10 s each. Heartbeats come twice a second: after 3 s without one there is no owner. */
async function shortenSilence(): Promise<void> {
  while (!isOver) {
    await admin.query(
      `UPDATE app.workflow_runs SET lease_until = now(), next_sweep_at = now()
       WHERE status = 'running' AND lease_until BETWEEN now() AND now() + interval '7 s'`,
    );
    await pause(500);
  }
}

function call(id: string, path: string, idempotency = 'natural') {
  return { id, type: 'http.request', idempotency, config: { method: 'GET', url: `${echoUrl}${path}` } };
}

async function start(nodes: object[], edges?: object[]): Promise<{ id: string; path: string }> {
  const document = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...(edges && { edges }) };
  const path = await publish(client, 'poison', document);
  const { run } = await client.call('POST', path, { input: {} });
  return { id: run?.id ?? '', path };
}

interface RunRow {
  status: string;
  error: { code: string; message: string } | null;
  lostClaims: number;
}

async function read(id: string): Promise<RunRow | undefined> {
  const sql = 'SELECT status, error, lost_claims AS "lostClaims" FROM app.workflow_runs WHERE id = $1';
  return (await admin.query<RunRow>(sql, [id])).rows[0];
}

/** Runs of everybody else, one after another, until this one has ended. Answers them. */
async function startOthersUntilEndOf(id: string): Promise<string[]> {
  const nodes = [call('one', '/fine'), { id: 'two', type: 'transform', config: { value: '{% $sum([1..9]) %}' } }];
  const { path } = await start(nodes, [{ from: 'one', to: 'two' }]);
  const others: string[] = [];
  const began = Date.now();
  for (let run = await read(id); run?.status === 'running' || run?.status === 'queued'; run = await read(id)) {
    expect(Date.now() - began, JSON.stringify(run)).toBeLessThan(END_MS);
    others.push((await client.call('POST', path, { input: {} })).run?.id ?? '');
    await pause(100);
  }
  return others;
}

/** None of them was lost, given up or left behind because of what killed the workers beside it. */
async function expectAllToSucceed(runIds: string[]): Promise<void> {
  const open = async () => {
    const sql = "SELECT id, status, error FROM app.workflow_runs WHERE id = ANY ($1) AND status <> 'succeeded'";
    return (await admin.query(sql, [runIds])).rows;
  };
  await eventually(
    'all other runs to end',
    async () => (await open()).every(({ status }) => status === 'failed'),
    120_000,
  );
  expect(await open()).toEqual([]);
}

it.each([
  { where: 'a step', poison: () => call('poison', '/poison/step') },
  {
    where: 'a loop whose calls are spread over all workers',
    poison: () => ({
      ...{ id: 'poison', type: 'foreach' },
      config: { items: '{% [1..16] %}', concurrency: 16, body: { nodes: [call('each', '/poison/loop')] } },
    }),
  },
])(
  'a run that exhausts the memory of all who execute it, in $where, is given up, and all others go on',
  async (one) => {
    const { where, poison } = one;
    const deathsBefore = deaths;
    const first = `/first/${encodeURIComponent(where)}`;
    const { id } = await start([call('before', first), poison()], [{ from: 'before', to: 'poison' }]);
    const others = await startOthersUntilEndOf(id);
    const died = deaths - deathsBefore;
    expect(await read(id)).toMatchObject({
      status: 'failed',
      error: { code: 'WORKER_LOST', message: expect.stringContaining(`${MOST_DEATHS} workers`) },
    });
    await expectAllToSucceed(others);
    // No finished step was repeated, and each owner died of the poison.
    expect(calls[first]).toBe(1);
    expect(died).toBeGreaterThan(MOST_DEATHS / 2);
    // It is gone for good: the workers that were started last stay.
    await eventually('two workers to run', () => living.size === 2, 60_000);
    const survivors = [...living];
    const { id: next } = await start([call('one', '/fine')]);
    await expectAllToSucceed([next]);
    expect(survivors.every((worker) => worker.isRunning())).toBe(true);
    reportFigure(
      'Poison runs',
      `in ${where}: ${died} workers died, ${others.length} other runs meanwhile, 0 of them lost`,
    );
  },
  900_000,
);

it('a step that must not happen twice and killed its worker is not tried again: a person decides', async () => {
  const deathsBefore = deaths;
  const { id } = await start([call('poison', '/poison/once', 'none')]);
  await expectAllToSucceed(await startOthersUntilEndOf(id));
  expect((await read(id))?.status).toBe('waiting');
  expect([calls['/poison/once'], deaths - deathsBefore]).toEqual([1, 1]);
}, 900_000);

it('an expression that exhausts memory costs its child process only: the run fails with its code, no worker dies', async () => {
  const deathsBefore = deaths;
  const value = '{% ($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $split($d("xxxxxxxx", 25), "")) %}';
  const { id } = await start([{ id: 'bomb', type: 'transform', config: { value } }]);
  await expectAllToSucceed(await startOthersUntilEndOf(id));
  const { status, error } = (await read(id)) ?? {};
  expect([status, error?.code]).toEqual(['failed', expect.stringMatching(/^EXPRESSION_(LIMIT|TIMEOUT)$/)]);
  expect(deaths).toBe(deathsBefore);
}, 900_000);
