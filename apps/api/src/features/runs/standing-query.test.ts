import type { Database } from '@millrace/db/connect';
import { claimRun, recordRun } from '@millrace/db/run-ownership';
import { consumeRuns } from '@millrace/queue/consumer';
import { eventually, type TestRedis } from '@millrace/queue/testing';
import { cancelRun, createRun, getRunStanding } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
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

const read = (change: Record<string, string> = {}, token = owner.token) =>
  call(api, getRunStanding, { params: { orgId, workflowId, runId, ...change }, token });
const codeOf = async () => (await read()).body.standing?.code;

it('tells the absence of workers and of Redis apart', async () => {
  expect(await codeOf()).toBe('NO_WORKER');
  const consumer = consumeRuns({
    ...{ redisUrl: redis.url, queueName: api.deps.config.WORKFLOW_QUEUE_NAME, concurrency: 1 },
    handle: () => new Promise((resolve) => setTimeout(() => resolve({ status: 'done' }), 60_000).unref()),
    onProblem: () => {},
  });
  await eventually('the worker is seen', async () => (await codeOf()) === 'WAITING_FOR_WORKER');
  await consumer.close(0);
  await eventually('the worker is gone', async () => (await codeOf()) === 'NO_WORKER');
  await redis.kill();
  expect((await read()).body.standing).toMatchObject({ code: 'QUEUE_UNAVAILABLE', until: null, stepIds: [] });
  await redis.restart();
  await eventually('Redis is seen', async () => (await codeOf()) === 'NO_WORKER');
});

it('says what a worker is at, that it was lost, and what the run waits for', async () => {
  const claim = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (claim.status !== 'claimed') throw new Error(claim.status);
  const state = {
    ...{ format: 1, status: 'running', edges: [] },
    steps: { one: { status: 'running', attempt: 1, collect: null }, two: { status: 'pending' } },
  };
  const base = { orgId, runId, workflowId, leaseToken: claim.run.leaseToken, leaseMs: 60_000, attemptCount: 1 };
  const step = { stepKey: 'one', type: 'http.request', attempt: 1 };
  const going = { ...base, status: 'running', nextAttemptAt: null, release: false } as const;
  await recordRun(worker, { recordId: newId(), ...going, state, steps: [{ ...step, status: 'running' }] });
  expect((await read()).body.standing).toMatchObject({ code: 'EXECUTING', stepIds: ['one'] });
  await recordRun(worker, { recordId: newId(), ...going, leaseMs: 1, steps: [] });
  expect((await read()).body.standing).toMatchObject({ code: 'WORKER_LOST', stepIds: ['one'] });
  const dueAt = Date.now() + 3_600_000;
  const waiting = { ...state, steps: { one: { ...state.steps.one, status: 'waiting', for: 'approval', dueAt } } };
  const parked = { ...base, status: 'waiting', nextAttemptAt: new Date(dueAt), release: true } as const;
  await recordRun(worker, { recordId: newId(), ...parked, state: waiting, steps: [{ ...step, status: 'waiting' }] });
  expect((await read()).body.standing).toEqual({
    code: 'WAITING_FOR_APPROVAL',
    message: expect.stringContaining('step one until'),
    until: new Date(dueAt).toISOString(),
    stepIds: ['one'],
  });
});

it('has nothing to say of a run that has ended, and finds none of another workflow or organization', async () => {
  await call(api, cancelRun, { params: { orgId, workflowId, runId }, token: owner.token });
  expect((await read()).body).toEqual({ standing: null });
  const stranger = await signUpUser(api);
  const other = await createOrg(api, stranger);
  expect((await read({ workflowId: newId() })).status).toBe(404);
  expect((await read({ orgId: other }, stranger.token)).status).toBe(404);
  expect((await read({}, stranger.token)).status).toBe(403);
});
