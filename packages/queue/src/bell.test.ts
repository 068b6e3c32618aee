import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Bell, listenForBell } from './bell.ts';
import { openQueue, type RunQueue } from './queue.ts';
import { eventually, startTestRedis, type TestRedis } from './testing.ts';

const RUN = '0198c0de-0000-7000-8000-000000000001';

let redis: TestRedis;
let queue: RunQueue;
let bell: Bell;
let rung: string[];

beforeEach(async () => {
  redis = await startTestRedis();
  queue = openQueue({ redisUrl: redis.url, queueName: 'runs' });
  rung = [];
  bell = listenForBell({
    redisUrl: redis.url,
    queueName: 'runs',
    name: 'signals',
    onRing: (runId) => void rung.push(runId),
  });
});

afterEach(async () => {
  await bell.close();
  await queue.close();
  await redis.stop();
});

/** A ring that nobody hears is lost, so it is rung until it is heard. */
async function untilHeard(runId: string): Promise<void> {
  await eventually('the ring is heard', async () => {
    await queue.ringOwner(runId).catch(() => {});
    return rung.includes(runId);
  });
}

it('is heard by whoever listens on the same queue, and by no other', async () => {
  const elsewhere: string[] = [];
  const onRing = (runId: string) => void elsewhere.push(runId);
  const other = listenForBell({ redisUrl: redis.url, queueName: 'others', name: 'signals', onRing });
  await untilHeard(RUN);
  expect(elsewhere).toEqual([]);
  await other.close();
});

it('is heard again once a Redis that was killed is back', async () => {
  await untilHeard(RUN);
  await redis.kill();
  await expect(queue.ringOwner(RUN)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await redis.restart();
  rung.length = 0;
  await untilHeard(RUN);
});

it('fails to ring and ends in under a second while Redis hangs', async () => {
  await untilHeard(RUN);
  redis.freeze();
  const startedAt = performance.now();
  await expect(queue.ringOwner(RUN)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  expect(performance.now() - startedAt).toBeLessThan(600);
  const closedAt = performance.now();
  await bell.close();
  expect(performance.now() - closedAt).toBeLessThan(1_000);
  redis.thaw();
});
