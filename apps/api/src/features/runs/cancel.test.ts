import type { Database } from '@millrace/db/connect';
import { type ClaimedRun, claimRun, recordRun } from '@millrace/db/run-ownership';
import { listenForBell } from '@millrace/queue/bell';
import { eventually, type TestRedis } from '@millrace/queue/testing';
import { cancelRun, createRun, getRun } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, createOrg, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { flowOf, openRunScene, publishFlow, type RunScene } from './testing.ts';

let scene: RunScene;
let api: TestApi;
let redis: TestRedis;
let worker: Database;
let owner: TestUser;
let orgId: string;
let workflowId: string;
let runId: string;

beforeAll(async () => {
  scene = await openRunScene();
  ({ api, redis, worker, owner, orgId } = scene);
  workflowId = await publishFlow(scene, flowOf('one', 'two'));
});
afterAll(() => scene.close());

beforeEach(async () => {
  const started = await call(api, createRun, { params: { orgId, workflowId }, token: owner.token });
  expect(started.status).toBe(201);
  runId = started.body.run.id;
});

const cancel = (change: Partial<{ orgId: string; workflowId: string; runId: string }> = {}, token = owner.token) =>
  call(api, cancelRun, { params: { orgId, workflowId, runId, ...change }, token });
const read = () => call(api, getRun, { params: { orgId, workflowId, runId }, token: owner.token });
const eventsOf = () => api.logLines.filter((line) => line.event === 'workflow_run_cancelled' && line.runId === runId);

async function claim(): Promise<ClaimedRun> {
  const answer = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

async function end(run: ClaimedRun, status: 'succeeded' | 'failed'): Promise<void> {
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken: run.leaseToken };
  const base = { ...own, leaseMs: 60_000, attemptCount: 1 };
  await recordRun(worker, { ...base, status, nextAttemptAt: null, steps: [], release: true });
}

describe('POST .../cancel', () => {
  it('ends a run that no worker has, with its steps, says so once in the log, and answers the same again', async () => {
    const { status, body } = await cancel();
    expect(status).toBe(200);
    expect(body.run).toMatchObject({ id: runId, status: 'cancelled', output: null, error: null, nextAttemptAt: null });
    expect(body.run.finishedAt).not.toBeNull();
    const again = await cancel();
    expect([again.status, again.body]).toEqual([200, body]);
    expect((await read()).body).toMatchObject({
      run: body.run,
      steps: [
        { stepId: 'one', status: 'cancelled', output: null },
        { stepId: 'two', status: 'cancelled', output: null },
      ],
    });
    expect(eventsOf()).toMatchObject([{ orgId, workflowId, runId, attemptCount: 0, durationMs: expect.any(Number) }]);
    expect((await claimRun(worker, { orgId, runId, leaseMs: 1_000 })).status).toBe('gone');
  });

  it('tells the owner of a run and leaves the end to it, however often it is asked', async () => {
    const run = await claim();
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await cancel();
      expect([status, body.run.status]).toEqual([200, 'running']);
    }
    expect(eventsOf()).toEqual([]);
    await end(run, 'succeeded');
    expect((await read()).body.run.status).toBe('succeeded');
  });

  it.each(['succeeded', 'failed'] as const)('answers 409 for a run that has %s', async (status) => {
    await end(await claim(), status);
    const before = await read();
    const refused = await cancel();
    expect([refused.status, refused.body.code]).toEqual([409, 'CONFLICT']);
    expect(refused.body.message).toContain(status);
    expect((await read()).body).toEqual(before.body);
  });

  it('answers 404 for a run that is not of this workflow or this organization, and leaves it alone', async () => {
    const stranger = await signUpUser(api);
    const other = await createOrg(api, stranger);
    expect((await cancel({ runId: newId() })).status).toBe(404);
    expect((await cancel({ workflowId: newId() })).status).toBe(404);
    expect((await cancel({ orgId: other }, stranger.token)).status).toBe(404);
    expect((await cancel({}, stranger.token)).status).toBe(403);
    expect((await read()).body.run.status).toBe('queued');
  });

  it('rings for the owner', async () => {
    await claim();
    const rung: string[] = [];
    const onRing = (id: string) => void rung.push(id);
    const bell = listenForBell({
      redisUrl: redis.url,
      queueName: api.deps.config.WORKFLOW_QUEUE_NAME,
      name: 'signals',
      onRing,
    });
    await eventually('the bell rings', async () => (await cancel()).status === 200 && rung.includes(runId));
    expect(new Set(rung)).toEqual(new Set([runId]));
    await bell.close();
  });

  it('works while Redis is down: a queued run ends at once, an owner finds the signal in the database', async () => {
    const queued = runId;
    const started = await call(api, createRun, { params: { orgId, workflowId }, token: owner.token });
    await redis.kill();
    try {
      expect((await cancel({ runId: queued })).body.run.status).toBe('cancelled');
      runId = started.body.run.id;
      const run = await claim();
      const startedAt = performance.now();
      expect((await cancel()).status).toBe(200);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await end(run, 'failed');
    } finally {
      await scene.restartRedis();
    }
  });
});
