import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { consumeRuns } from './consumer.ts';
import { openQueue } from './queue.ts';
import { eventually, startFaultProxy, startTestRedis } from './testing.ts';

const wake = { orgId: '0198c0de-0000-7000-8000-000000000001', runId: '0198c0de-0000-7000-8000-000000000002' };
const queueName = 'workflow-runs';

// Both wait for real time-outs (a lock of 8 s, a socket of 12 s), so they wait side by side.
it.concurrent('delivers a wake-up again when the process that handled it is killed', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.stop());
  const queue = openQueue({ redisUrl: redis.url, queueName });
  onTestFinished(() => queue.close());
  const victim = spawnStuckWorker(redis.url);
  onTestFinished(() => void victim.kill('SIGKILL'));
  await eventually('the queue is ready', () => queue.isReady());
  await queue.wakeRun(wake);
  await once(victim.stdout ?? victim, 'data');
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  const killedAt = performance.now();
  const handled: string[] = [];
  const survivor = consumeRuns({
    redisUrl: redis.url,
    queueName,
    concurrency: 4,
    handle: async ({ runId }) => {
      handled.push(runId);
      return { status: 'done' };
    },
    onProblem: () => {},
  });
  onTestFinished(() => survivor.close(1000).then(() => {}));
  await eventually('it is handled again', () => handled.length > 0, 17_000);
  expect(new Set(handled)).toEqual(new Set([wake.runId]));
  expect(performance.now() - killedAt).toBeLessThan(16_500);
});

it.concurrent('goes on alone after the network swallowed its connections', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.stop());
  const proxy = await startFaultProxy(redis.port);
  onTestFinished(() => proxy.stop());
  const queue = openQueue({ redisUrl: redis.url, queueName });
  onTestFinished(() => queue.close());
  const handled: string[] = [];
  const consumer = consumeRuns({
    redisUrl: `redis://127.0.0.1:${proxy.port}`,
    queueName,
    concurrency: 4,
    handle: async ({ runId }) => {
      handled.push(runId);
      return { status: 'done' };
    },
    onProblem: () => {},
  });
  onTestFinished(() => consumer.close(1000).then(() => {}));
  await eventually('the queue is ready', () => queue.isReady());
  await queue.wakeRun(wake);
  await eventually('the first is handled', () => handled.length === 1);
  await proxy.setFault({ type: 'black-hole' });
  await queue.wakeRun(wake);
  await eventually('the connections are given up', () => !consumer.isReady(), 17_000);
  await proxy.setFault({ type: 'none' });
  await eventually('the second is handled', () => handled.length >= 2, 12_000);
});

/** A process that takes one wake-up, prints a line and never comes to an end. */
function spawnStuckWorker(redisUrl: string): ChildProcess {
  const consumerFile = fileURLToPath(new URL('./consumer.ts', import.meta.url));
  const source = `
    import { consumeRuns } from ${JSON.stringify(consumerFile)};
    consumeRuns({
      redisUrl: ${JSON.stringify(redisUrl)},
      queueName: ${JSON.stringify(queueName)},
      concurrency: 1,
      handle: (wake) => { process.stdout.write(wake.runId); return new Promise(() => {}); },
      onProblem: () => {},
    });`;
  return spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'pipe', 'inherit'] });
}
