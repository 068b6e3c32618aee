import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Host } from './host.ts';
import { livingProcesses, stopProcess } from './managed-process.ts';
import { type Redis, startRedis } from './redis.ts';
import { askRedis } from './redis-connection.ts';
import { createTestHost } from './testing.ts';

const PORT = 26_380;
let host: Host;
let said: string[];

beforeEach(() => {
  said = [];
  host = createTestHost();
});
afterEach(async () => {
  for (const left of livingProcesses()) await stopProcess(left, 'SIGTERM', 10_000);
  rmSync(host.dataDir, { recursive: true, force: true });
});

const start = (settings = {}) => startRedis({ host, preferredPort: PORT, say: (line) => said.push(line), ...settings });
const ask = ({ port, url }: Redis, ...command: string[]) => askRedis(port, new URL(url).password, command);
const settingOf = async (redis: Redis, name: string) => (await ask(redis, 'CONFIG', 'GET', name)).split('\r\n').at(-2);

test('it keeps what it accepted: append-only file on, nothing evicted', async () => {
  const redis = await start();
  expect(await settingOf(redis, 'appendonly')).toBe('yes');
  expect(await settingOf(redis, 'appendfsync')).toBe('everysec');
  expect(await settingOf(redis, 'maxmemory-policy')).toBe('noeviction');
});

test('it answers only those who know the password, on loopback, and keeps the password from other users', async () => {
  const redis = await start();
  await expect(askRedis(redis.port, 'wrong', ['PING'])).rejects.toThrow(/WRONGPASS/);
  expect(await settingOf(redis, 'bind')).toBe('127.0.0.1');
  expect(statSync(join(host.dataDir, 'redis', 'redis.conf')).mode & 0o777).toBe(0o600);
});

test('a second start finds the data of the first', async () => {
  const first = await start();
  await ask(first, 'SET', 'kept', 'yes');
  await first.stop();
  expect(await ask(await start(), 'GET', 'kept')).toContain('yes');
});

test('files that it refuses to read are set aside, and it starts empty', async () => {
  const first = await start();
  await ask(first, 'SET', 'kept', 'yes');
  await first.stop();
  const folder = join(host.dataDir, 'redis', 'appendonlydir');
  const newest = readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '';
  writeFileSync(join(folder, newest), `garbage\r\n${readFileSync(join(folder, newest), 'utf8')}`);
  const second = await start();
  expect(await ask(second, 'GET', 'kept')).toBe('$-1\r\n');
  expect(said).toEqual([expect.stringMatching(/could not read its append-only files.* No run is lost\.$/)]);
  const aside = readdirSync(join(host.dataDir, 'redis')).find((name) => name.startsWith('appendonlydir-unreadable-'));
  expect(readdirSync(join(host.dataDir, 'redis', aside ?? ''))).toContain(newest);
  await second.stop();
  expect((await start()).port).toBe(second.port);
  expect(said).toHaveLength(1);
});

test('a server that a killed start left running is stopped, and the next one has its port and data', async () => {
  const first = await start();
  await ask(first, 'SET', 'kept', 'yes');
  const second = await start();
  expect(said).toEqual(['Stopped the Redis of an earlier start.']);
  expect(first.process.isRunning()).toBe(false);
  expect(second.port).toBe(first.port);
  expect(await ask(second, 'GET', 'kept')).toContain('yes');
});

test('another port is used when the preferred one is taken, and none other when it is fixed', async () => {
  const occupant = createServer().listen(PORT, '127.0.0.1');
  try {
    const redis = await start();
    expect(redis.port).not.toBe(PORT);
    await redis.stop();
    await expect(start({ isPortFixed: true })).rejects.toThrow(/Address already in use/);
  } finally {
    occupant.close();
  }
});
