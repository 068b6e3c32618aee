import { expect, it } from 'vitest';
import { consumeStepTests, openStepTester, type StepTest } from './step-tests.ts';
import { eventually, freePort, startFaultProxy, startTestRedis, type TestRedis } from './testing.ts';

const queueName = 'workflow-runs';
const test: StepTest = {
  orgId: '0198c0de-0000-7000-8000-000000000001',
  workflowId: '0198c0de-0000-7000-8000-000000000002',
  definition: { version: 'v2' },
  stepId: 'one',
  input: null,
  outputs: {},
};

/** Both sides, used once, so that their connections are known to work. */
async function openBothSides(redis: TestRedis, testerUrl = redis.url) {
  const settings = { redisUrl: redis.url, queueName };
  const consumer = consumeStepTests({
    ...settings,
    handle: async ({ stepId }) => ({ input: null, output: stepId, error: null, durationMs: 1 }),
    onError: () => {},
  });
  const tester = openStepTester({ ...settings, redisUrl: testerUrl });
  await eventually('a test is answered', async () => (await tester.ask(test).catch(() => undefined))?.output === 'one');
  return { tester, consumer };
}

it('hears the answer to a question asked the moment it opened', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.stop());
  for (let round = 0; round < 10; round += 1) {
    const { tester, consumer } = await openBothSides(redis);
    await Promise.all([tester.close(), consumer.close()]);
  }
});

it('hears the answer of a worker that is done before the question itself is confirmed', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  const proxy = await startFaultProxy(redis.port);
  const { consumer, tester } = await openBothSides(redis, `redis://127.0.0.1:${proxy.port}`);
  onTestFinished(async () => {
    await Promise.all([tester.close(), consumer.close()]);
    await proxy.stop();
    await redis.stop();
  });
  await proxy.setFault({ type: 'delay', delayMs: 40 });
  const answers = await Promise.all(Array.from({ length: 20 }, () => tester.ask(test)));
  for (const { output } of answers) expect(output).toBe('one');
});

it('closes quickly when Redis was never there', async () => {
  const tester = openStepTester({ redisUrl: `redis://127.0.0.1:${await freePort()}`, queueName });
  await expect(tester.ask(test)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await expectQuickly(() => tester.close());
});

it('closes quickly, on both sides, after Redis went away', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.stop());
  const { tester, consumer } = await openBothSides(redis);
  await redis.kill();
  await eventually('the loss is noticed', async () => {
    const startedAt = performance.now();
    await tester.ask(test).catch(() => {});
    return performance.now() - startedAt < 5;
  });
  await expectQuickly(() => Promise.all([tester.close(), consumer.close()]));
});

it('closes quickly, on both sides, while Redis hangs', async ({ onTestFinished }) => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.stop());
  const { tester, consumer } = await openBothSides(redis);
  redis.freeze();
  await expectQuickly(() => Promise.all([tester.close(), consumer.close()]));
});

async function expectQuickly(close: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await close();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
}
