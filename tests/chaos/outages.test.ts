import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import { openScene, type Scene } from './scene.ts';

/** PostgreSQL is away for long, or has no space left: what callers hear meanwhile, and how soon all is well again. */

const AWAY_MS = 10_000;
const BACK_MS = 5_000;
const ASK_MS = 15_000;

let scene: Scene;
let client: Client;
let runsUrl = '';

beforeAll(async () => {
  scene = await openScene(true);
  const url = scene.apis[0]?.program?.url ?? '';
  client = await signUp(url);
  const nodes = [{ id: 'one', type: 'transform', config: { value: 1 } }];
  const path = await publish(client, 'outage', { version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
  runsUrl = `${url}${client.orgPath}${path}`;
}, 300_000);
afterAll(async () => {
  await scene?.stop();
}, 60_000);

interface Heard {
  status: number;
  code: string | undefined;
  retryAfter: string | null;
  runId: string | undefined;
}

/** One run is asked for. Its input is large enough to need space, and cannot be compressed. */
async function ask(): Promise<Heard> {
  const response = await fetch(runsUrl, {
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: { text: randomBytes(15_000).toString('base64') } }),
    signal: AbortSignal.timeout(ASK_MS),
  });
  const { code, run } = (await response.json()) as { code?: string; run?: { id: string } };
  return { status: response.status, code, retryAfter: response.headers.get('retry-after'), runId: run?.id };
}

async function list(): Promise<number> {
  return (await fetch(runsUrl, { headers: client.headers, signal: AbortSignal.timeout(ASK_MS) })).status;
}

/** Asks until a run is accepted again. Answers how long that took, in milliseconds. */
async function untilServed(heard: Heard[], timeoutMs: number): Promise<number> {
  const began = performance.now();
  const isServed = async () => {
    const answer = await ask();
    heard.push(answer);
    return answer.status === 201 && (await list()) === 200;
  };
  await eventually('a run to be accepted again', isServed, timeoutMs);
  return performance.now() - began;
}

/** Every 201 has a run that succeeds, and nothing else has one. */
async function expectRunsOf(heard: readonly Heard[], begunAt: Date): Promise<void> {
  const accepted = heard.flatMap(({ status, runId }) => (status === 201 ? [runId] : []));
  const since = () =>
    scene.query<{ id: string; status: string }>(
      'SELECT id, status FROM app.workflow_runs WHERE created_at >= $1 ORDER BY id',
      [begunAt],
    );
  await eventually(
    'all runs to end',
    async () => (await since()).every(({ status }) => status === 'succeeded'),
    60_000,
  );
  expect((await since()).map(({ id }) => id)).toEqual(accepted.toSorted());
}

function pids(): number[] {
  return [...scene.apis, ...scene.workers].flatMap(({ program }) => (program?.isRunning() ? [program.pid] : []));
}

it('while PostgreSQL is away for 10 s callers hear 503 and when to come back; 5 s after it all is served, without a restart', async () => {
  const before = pids();
  const begunAt = new Date();
  const heard: Heard[] = [];
  let isBack = false;
  const restart = scene.restartPostgres(AWAY_MS).finally(() => {
    isBack = true;
  });
  await pause(1_000);
  for (let count = 0; count < 15; count += 1) {
    const [answer, listed] = [await ask(), await list()];
    expect(isBack).toBe(false);
    expect(answer).toMatchObject({ status: 503, code: 'DATABASE_UNAVAILABLE', retryAfter: expect.any(String) });
    expect(listed).toBe(503);
    await pause(200);
  }
  await restart;
  const tookMs = await untilServed(heard, BACK_MS);
  await expectRunsOf(heard, begunAt);
  expect(pids()).toEqual(before);
  expect(before).toHaveLength(4);
  reportFigure('PostgreSQL away for 10 s', `503 meanwhile, served again after ${tookMs.toFixed(0)} ms, no restart`);
}, 180_000);

it('while the disk is full no run is accepted without its row; once there is space all is served, without a restart', async ({
  skip,
}) => {
  const { disk } = scene;
  if (disk === null) return skip('only root on Linux can mount a small disk');
  const before = pids();
  const begunAt = new Date();
  const heard: Heard[] = [];
  expect(disk.fill()).toBe(true);
  const isRefused = async () => {
    heard.push(await ask());
    return (heard.at(-1)?.status ?? 0) >= 500;
  };
  await eventually('a run to be refused', isRefused, 60_000);
  disk.free();
  await scene.revivePostgres();
  const tookMs = await untilServed(heard, 30_000);
  expect(heard.map(({ status }) => status).filter((status) => status !== 201 && status !== 503)).toEqual([]);
  await expectRunsOf(heard, begunAt);
  expect(pids()).toEqual(before);
  const refused = heard.filter(({ status }) => status === 503).map(({ code }) => code);
  reportFigure(
    'Disk full',
    `${[...new Set(refused)]} meanwhile, served again after ${tookMs.toFixed(0)} ms, no restart`,
  );
}, 240_000);
