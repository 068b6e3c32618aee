import { afterEach, expect, it } from 'vitest';
import { checkRedis } from './redis.ts';
import { freePort, startFaultProxy, startTestRedis, type TestRedis } from './testing.ts';

let redis: TestRedis | undefined;

afterEach(async () => {
  await redis?.stop();
  redis = undefined;
});

it('has nothing to say about a server that evicts nothing and keeps an append-only file', async () => {
  redis = await startTestRedis();
  expect(await checkRedis(redis.url)).toEqual([]);
});

it('warns about an eviction policy and about a missing append-only file', async () => {
  redis = await startTestRedis(['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'no']);
  const warnings = await checkRedis(redis.url);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toContain('allkeys-lru');
  expect(warnings[1]).toContain('appendonly yes');
});

it('works with a password, and says so plainly when it is wrong', async () => {
  redis = await startTestRedis();
  const { Redis } = await import('ioredis');
  const admin = new Redis(redis.url);
  await admin.config('SET', 'requirepass', 'sesame');
  admin.disconnect();
  expect(await checkRedis(`redis://:sesame@127.0.0.1:${redis.port}`)).toEqual([]);
  await expect(checkRedis(`redis://:guess@127.0.0.1:${redis.port}`)).rejects.toThrow(/WRONGPASS/);
  await expect(checkRedis(redis.url)).rejects.toThrow(/NOAUTH/);
});

it('names the address but not the password when nobody answers', async () => {
  const port = await freePort();
  const refusal = checkRedis(`redis://:sesame@127.0.0.1:${port}`);
  await expect(refusal).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await expect(refusal).rejects.toThrow(`Redis at 127.0.0.1:${port} cannot be used: connect ECONNREFUSED`);
  await expect(refusal).rejects.not.toThrow(/sesame/);
});

it('gives up on a server that accepts and stays silent', async () => {
  const proxy = await startFaultProxy(1);
  await proxy.setFault({ type: 'black-hole' });
  await expect(checkRedis(`redis://127.0.0.1:${proxy.port}`)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await proxy.stop();
}, 8000);
