import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ConsumerProblem, consumeRuns, type RunConsumer, type WakeOutcome } from './consumer.ts';
import { RUN_EXECUTE, type RunWake } from './jobs.ts';
import { openQueue, type RunQueue } from './queue.ts';
import { eventually, startTestRedis, type TestRedis } from './testing.ts';

const orgId = '0198c0de-0000-7000-8000-000000000001';
const queueName = 'workflow-runs';

let redis: TestRedis;
let admin: Redis;
let queue: RunQueue;
const opened: RunConsumer[] = [];
let problems: ConsumerProblem[];
let handled: string[];

beforeEach(async () => {
  // Redis looks at the end of short blocking reads this many times a second; the default 10 only slows the tests.
  redis = await startTestRedis(['--hz', '100']);
  admin = new Redis(redis.url, { retryStrategy: () => 50 });
  admin.on('error', () => {});
  queue = openQueue({ redisUrl: redis.url, queueName });
  await eventually('the queue is ready', () => queue.isReady());
  problems = [];
  handled = [];
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((consumer) => consumer.close(500)));
  await queue.close();
  admin.disconnect();
  await redis.stop();
});

it('hands every wake-up to the handler, several at a time', async () => {
  let running = 0;
  let mostRunning = 0;
  start(async () => {
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    await eventually('others run too', () => mostRunning === 4);
    running -= 1;
    return { status: 'done' };
  });
  const runIds = Array.from({ length: 20 }, (_, index) => runId(index));
  await Promise.all(runIds.map((id) => queue.wakeRun({ orgId, runId: id })));
  await eventually('all are handled', () => handled.length === 20);
  expect([...handled].sort()).toEqual(runIds);
  await eventually('nothing is kept', async () => (await storedJobs()) === 0);
  expect(problems).toEqual([]);
});

it('delivers a delayed wake-up no earlier than asked, and others meanwhile', async () => {
  start(async () => ({ status: 'done' }));
  const askedAt = performance.now();
  await queue.wakeRun({ orgId, runId: runId(1) }, { delayMs: 300 });
  await queue.wakeRun({ orgId, runId: runId(2) });
  await eventually('both are handled', () => handled.length === 2);
  expect(performance.now() - askedAt).toBeGreaterThanOrEqual(299);
  expect(handled).toEqual([runId(2), runId(1)]);
});

it('delivers again, as often as asked, when the handler answers later', async () => {
  start(async () => (handled.length < 35 ? { status: 'later', delayMs: 5 } : { status: 'done' }));
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('it was delivered 35 times', () => handled.length === 35);
  await eventually('nothing is kept', async () => (await storedJobs()) === 0);
  expect(problems).toEqual([]);
});

it('wakes a run now although its wake-up sleeps after a later', async () => {
  start(async () => (handled.length === 1 ? { status: 'later', delayMs: 60_000 } : { status: 'done' }));
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('the first sleeps', async () => (await admin.zcard(`bull:${queueName}:delayed`)) === 1);
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('it is handled again', () => handled.length === 2);
});

it('delivers again after the handler threw, and says so', async () => {
  start(async () => {
    if (handled.length === 1) throw new Error('the database went away');
    return { status: 'done' };
  });
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('it is handled again', () => handled.length === 2);
  expect(problems).toMatchObject([
    { type: 'handler', wake: { runId: runId(1) }, error: { message: 'the database went away' } },
  ]);
});

it('drops jobs that are not ours, says so, and goes on', async () => {
  const raw = new Queue(queueName, { connection: admin });
  await raw.add('run.delete', { orgId, runId: runId(1) });
  await raw.add(RUN_EXECUTE, { orgId: 'everybody', runId: runId(1) });
  await raw.add(RUN_EXECUTE, null);
  start(async () => ({ status: 'done' }));
  await queue.wakeRun({ orgId, runId: runId(2) });
  await eventually('the good one is handled', () => handled.length === 1);
  await eventually('nothing is kept', async () => (await storedJobs()) === 0);
  expect(problems.map((problem) => problem.type)).toEqual(['payload', 'payload', 'payload']);
  await raw.close();
});

it('started before Redis it waits, then works', async () => {
  await redis.kill();
  const consumer = start(async () => ({ status: 'done' }));
  await eventually('trouble is told', () => problems.length > 0);
  expect(consumer.isReady()).toBe(false);
  await redis.restart();
  await eventually('the queue is ready', () => queue.isReady());
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('it is handled', () => handled.length === 1);
  expect(consumer.isReady()).toBe(true);
});

it.each([
  { name: 'was killed and started again', interrupt: async () => redis.restart() },
  { name: 'hung for a second', interrupt: () => hang(1000) },
  { name: 'cut every connection', interrupt: () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal') },
  { name: 'was read-only for a while', interrupt: () => replicaFor(300) },
])('goes on alone after Redis $name, in the middle of work', async ({ interrupt }) => {
  start(async () => ({ status: 'done' }));
  for (let index = 0; index < 5; index += 1) await queue.wakeRun({ orgId, runId: runId(index) });
  await interrupt();
  await eventually('the queue is ready', () => queue.isReady());
  for (let index = 5; index < 10; index += 1) await queue.wakeRun({ orgId, runId: runId(index) });
  await eventually('all are handled', () => new Set(handled).size === 10, 12_000);
});

it('does not flood its reader while a full Redis refuses every command, and works within 2 s after', async () => {
  const gate = Promise.withResolvers<void>();
  start(async () => {
    await gate.promise;
    return { status: 'done' };
  });
  for (let index = 0; index < 8; index += 1) await queue.wakeRun({ orgId, runId: runId(index) });
  await eventually('four are running', () => handled.length === 4);
  await admin.config('SET', 'maxmemory', '1');
  gate.resolve();
  const cpuBefore = process.cpuUsage();
  await eventually('trouble is told', () => problems.length > 0);
  await pass(1000);
  const cpu = process.cpuUsage(cpuBefore);
  expect(problems.length).toBeLessThan(20);
  expect((cpu.user + cpu.system) / 1000).toBeLessThan(300);
  await admin.config('SET', 'maxmemory', '0');
  await eventually('the rest is handled', () => new Set(handled).size === 8, 2000);
});

it('waits for running handlers on close, and takes nothing new', async () => {
  const consumer = start(async () => {
    await pass(300);
    return { status: 'done' };
  });
  await queue.wakeRun({ orgId, runId: runId(1) });
  await eventually('it runs', () => handled.length === 1);
  const closing = consumer.close(5000);
  await queue.wakeRun({ orgId, runId: runId(2) });
  expect(await closing).toEqual({ unfinishedCount: 0 });
  expect(handled).toEqual([runId(1)]);
  expect(await storedJobs()).toBe(1);
});

it.each(['alive', 'hung', 'refusing', 'never there'])('closes at its deadline while Redis is %s', async (state) => {
  if (state === 'never there') await redis.kill();
  const release = Promise.withResolvers<void>();
  const consumer = start(async () => {
    await release.promise;
    return { status: 'done' };
  });
  if (state !== 'never there') {
    await queue.wakeRun({ orgId, runId: runId(1) });
    await eventually('it runs', () => handled.length === 1);
  }
  if (state === 'hung') redis.freeze();
  if (state === 'refusing') await redis.kill();
  const startedAt = performance.now();
  expect(await consumer.close(300)).toEqual({ unfinishedCount: state === 'never there' ? 0 : 1 });
  expect(performance.now() - startedAt).toBeLessThan(1000);
  release.resolve();
});

function start(outcome: (wake: RunWake) => Promise<WakeOutcome>): RunConsumer {
  const consumer = consumeRuns({
    redisUrl: redis.url,
    queueName,
    concurrency: 4,
    handle: async (wake) => {
      handled.push(wake.runId);
      return outcome(wake);
    },
    onProblem: (problem) => problems.push(problem),
  });
  opened.push(consumer);
  return consumer;
}

function runId(index: number): string {
  return `0198c0de-0000-7000-8000-1${String(index).padStart(11, '0')}`;
}

async function storedJobs(): Promise<number> {
  const counts = await Promise.all([
    admin.llen(`bull:${queueName}:wait`),
    admin.llen(`bull:${queueName}:active`),
    admin.zcard(`bull:${queueName}:delayed`),
    admin.zcard(`bull:${queueName}:failed`),
    admin.zcard(`bull:${queueName}:completed`),
  ]);
  return counts.reduce((sum, count) => sum + count, 0);
}

async function hang(durationMs: number): Promise<void> {
  redis.freeze();
  await pass(durationMs);
  redis.thaw();
}

async function replicaFor(durationMs: number): Promise<void> {
  await admin.replicaof('127.0.0.1', 1);
  await pass(durationMs);
  await admin.replicaof('NO', 'ONE');
}

/** Time itself is what these tests are about: a fault that lasts, a handler that takes long. */
function pass(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
