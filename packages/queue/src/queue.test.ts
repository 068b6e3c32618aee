import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openQueue, type RunQueue } from './queue.ts';
import { eventually, type FaultProxy, startFaultProxy, startTestRedis, type TestRedis } from './testing.ts';
import { failSaves } from './testing-failed-saves.ts';

const wake = { orgId: '0198c0de-0000-7000-8000-000000000001', runId: '0198c0de-0000-7000-8000-000000000002' };
const queueName = 'workflow-runs';

let redis: TestRedis;
let proxy: FaultProxy;
let admin: Redis;
let queue: RunQueue;
let mend: () => Promise<void>;

beforeEach(async () => {
  redis = await startTestRedis();
  proxy = await startFaultProxy(redis.port);
  admin = new Redis(redis.url, { retryStrategy: () => 50 });
  admin.on('error', () => {});
  queue = openQueue({ redisUrl: `redis://127.0.0.1:${proxy.port}`, queueName });
  await eventually('the queue is ready', () => queue.isReady());
});

afterEach(async () => {
  await queue.close();
  admin.disconnect();
  await proxy.stop();
  await redis.stop();
});

interface Fault {
  name: string;
  begin(): unknown;
  end(): unknown;
}

const faults: Fault[] = [
  { name: 'is killed and refuses', begin: () => redis.kill(), end: () => redis.restart() },
  { name: 'hangs', begin: () => redis.freeze(), end: () => redis.thaw() },
  { name: 'is out of memory', begin: () => config('maxmemory', '1'), end: () => config('maxmemory', '0') },
  { name: 'became a read-only replica', begin: () => admin.replicaof('127.0.0.1', 1), end: () => promote() },
  { name: 'cannot write snapshots', begin: async () => (mend = await failSaves(admin)), end: () => mend() },
  networkFault('refuses connections', { type: 'refuse' }),
  networkFault('disappeared in a black hole', { type: 'black-hole' }),
  networkFault('resets every connection', { type: 'reset' }),
  networkFault('answers after a second', { type: 'delay', delayMs: 1000 }),
];

it.each(faults)('fails 20 of 20 calls in under 500 ms while Redis $name, and works within 2 s after', async (fault) => {
  await fault.begin();
  const together = await Promise.all(Array.from({ length: 10 }, () => timedWake()));
  const inARow = [];
  for (let call = 0; call < 10; call += 1) inARow.push(await timedWake());
  for (const result of [...together, ...inARow]) expectFastRefusal(result);
  expect(await queue.isReady()).toBe(false);
  await fault.end();
  await expectRecovery();
});

it('fails fast while Redis loads its data and works within 2 s after', async () => {
  const slowLoad = ['--key-load-delay', '300', '--loading-process-events-interval-bytes', '1024'];
  const slow = await startTestRedis(['--appendonly', 'no', '--save', '', ...slowLoad]);
  const client = new Redis(slow.url, { retryStrategy: () => 50, enableReadyCheck: false });
  client.on('error', () => {});
  const loadingQueue = openQueue({ redisUrl: slow.url, queueName });
  try {
    await eventually('the queue is ready', () => loadingQueue.isReady());
    await client.mset(Array.from({ length: 5000 }, (_, index) => [`key${index}`, 'x'.repeat(1024)]).flat());
    await client.save();
    await slow.restart('accept');
    for (let call = 0; call < 20; call += 1) expectFastRefusal(await timedWake(loadingQueue));
    await eventually('Redis loads', async () => /^loading:1/m.test(await client.info('persistence')));
    expectFastRefusal(await timedWake(loadingQueue));
    await eventually('Redis has loaded', async () => /^loading:0/m.test(await client.info('persistence')), 20_000);
    await expectRecovery(loadingQueue);
  } finally {
    await loadingQueue.close();
    client.disconnect();
    await slow.stop();
  }
});

it.each<{ name: string; fault: Parameters<FaultProxy['setFault']>[0] }>([
  { name: 'refuses', fault: { type: 'refuse' } },
  { name: 'is a black hole', fault: { type: 'black-hole' } },
])('opened while Redis $name it fails fast, and works within 2 s once Redis is there', async ({ fault }) => {
  await proxy.setFault(fault);
  const early = openQueue({ redisUrl: `redis://127.0.0.1:${proxy.port}`, queueName });
  for (let call = 0; call < 20; call += 1) expectFastRefusal(await timedWake(early));
  await proxy.setFault({ type: 'none' });
  await expectRecovery(early);
  await early.close();
});

it('leaves no job behind from calls made while Redis refused', async () => {
  await proxy.setFault({ type: 'refuse' });
  for (let call = 0; call < 20; call += 1) expectFastRefusal(await timedWake());
  await proxy.setFault({ type: 'none' });
  await expectRecovery();
  expect(await admin.llen(`bull:${queueName}:wait`)).toBe(1);
});

it('leaves at most the call that was in flight behind when Redis hung', async () => {
  redis.freeze();
  for (let call = 0; call < 20; call += 1) expectFastRefusal(await timedWake());
  redis.thaw();
  await expectRecovery();
  expect(await admin.llen(`bull:${queueName}:wait`)).toBeLessThanOrEqual(2);
});

it('adds a wake-up although one for the same run waits, is delayed or both', async () => {
  await queue.wakeRun(wake, { delayMs: 60_000 });
  await queue.wakeRun(wake);
  await queue.wakeRun(wake);
  expect(await admin.llen(`bull:${queueName}:wait`)).toBe(2);
  expect(await admin.zcard(`bull:${queueName}:delayed`)).toBe(1);
});

it('keeps working after Redis lost its data and its scripts', async () => {
  await queue.wakeRun(wake);
  await admin.flushall();
  await admin.script('FLUSH');
  await queue.wakeRun(wake);
  expect(await admin.llen(`bull:${queueName}:wait`)).toBe(1);
});

it.each(['alive', 'hung', 'refusing'])('closes in under a second while Redis is %s', async (state) => {
  if (state === 'hung') redis.freeze();
  if (state === 'refusing') await redis.kill();
  const startedAt = performance.now();
  await queue.close();
  expect(performance.now() - startedAt).toBeLessThan(1000);
  expectFastRefusal(await timedWake());
});

interface Timed {
  code: unknown;
  tookMs: number;
}

async function timedWake(target = queue): Promise<Timed> {
  const startedAt = performance.now();
  const code = await target.wakeRun(wake).then(
    () => 'OK',
    (error: { code?: string }) => error.code,
  );
  return { code, tookMs: performance.now() - startedAt };
}

function expectFastRefusal(result: Timed): void {
  expect(result.code).toBe('QUEUE_UNAVAILABLE');
  expect(result.tookMs).toBeLessThan(500);
}

async function expectRecovery(target = queue): Promise<void> {
  await eventually('a wake-up is accepted again', async () => (await timedWake(target)).code === 'OK', 2000);
}

function networkFault(name: string, fault: Parameters<FaultProxy['setFault']>[0]): Fault {
  return { name, begin: () => proxy.setFault(fault), end: () => proxy.setFault({ type: 'none' }) };
}

async function config(name: string, value: string): Promise<unknown> {
  return admin.config('SET', name, value);
}

async function promote(): Promise<unknown> {
  return admin.replicaof('NO', 'ONE');
}
