import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Host } from './host.ts';
import { livingProcesses, stopProcess } from './managed-process.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { findRunningPostgres } from './postgres-running.ts';
import { createTestHost } from './testing.ts';

const PORT = 25_433;
let host: Host;
let said: string[];

beforeEach(() => {
  said = [];
  host = createTestHost();
});
afterEach(async () => {
  for (const left of livingProcesses()) await stopProcess(left, 'SIGINT', 10_000);
  rmSync(host.dataDir, { recursive: true, force: true });
});

const start = (settings = {}) =>
  startPostgres({ host, preferredPort: PORT, isDurable: false, say: (line) => said.push(line), ...settings });

async function query(postgres: Pick<Postgres, 'urlOf'>, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: postgres.urlOf('postgres') });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

test('a second start finds the data of the first', async () => {
  const first = await start();
  await query(first, `CREATE TABLE kept AS SELECT 'ü' AS letter`);
  await first.stop();
  const second = await start();
  expect(await query(second, 'SELECT letter FROM kept')).toEqual(['ü']);
  expect(said).toEqual([]);
});

test('a running server is found by its data folder, and none where none runs', async () => {
  expect(findRunningPostgres(host, 'postgres')).toBeUndefined();
  const postgres = await start();
  expect(findRunningPostgres(host, 'postgres')).toBe(postgres.urlOf('postgres'));
  await postgres.stop();
  expect(findRunningPostgres(host, 'postgres')).toBeUndefined();
});

test('it is PostgreSQL 18 in UTF-8, asks everybody for a password and listens on loopback only', async () => {
  const postgres = await start();
  expect(postgres.version).toMatch(/^18\./);
  expect(await query(postgres, 'SHOW server_encoding')).toEqual(['UTF8']);
  expect(await query(postgres, 'SHOW listen_addresses')).toEqual(['127.0.0.1']);
  expect(await query(postgres, 'SHOW unix_socket_directories')).toEqual(['']);
  expect(await query(postgres, 'SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual(['scram-sha-256']);
  const stranger = { urlOf: () => `postgres://postgres:wrong@127.0.0.1:${postgres.port}/postgres` };
  await expect(query(stranger, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test('a server that a killed start left running is stopped, and the next one has its port and data', async () => {
  const first = await start();
  await query(first, 'CREATE TABLE kept AS SELECT 1');
  const second = await start();
  expect(said).toEqual(['Stopped the PostgreSQL of an earlier start.']);
  expect(first.process.isRunning()).toBe(false);
  expect(second.port).toBe(first.port);
  expect(await query(second, 'SELECT * FROM kept')).toEqual([1]);
});

test('a server left running is found by its postmaster.pid when no note of ours names it', async () => {
  const first = await start();
  rmSync(join(host.runDir, 'postgresql.json'));
  await start();
  expect(said).toEqual(['Stopped the PostgreSQL of an earlier start.']);
  expect(first.process.isRunning()).toBe(false);
});

test('a postmaster.pid whose pid belongs to a stranger by now neither blocks the start nor harms the stranger', async () => {
  const first = await start();
  const pidFile = join(host.dataDir, 'postgres', 'data', 'postmaster.pid');
  const stale = readFileSync(pidFile, 'utf8').replace(/^\d+/, String(process.pid));
  await stopProcess(first.process, 'SIGKILL', 10_000);
  writeFileSync(pidFile, stale);
  const second = await start();
  expect(await query(second, 'SELECT 1')).toEqual([1]);
});

test('a server that was killed comes back with what was committed', async () => {
  const first = await start();
  await query(first, 'CREATE TABLE kept AS SELECT 1');
  await query(first, 'CHECKPOINT');
  await stopProcess(first.process, 'SIGKILL', 10_000);
  const second = await start();
  expect(await query(second, 'SELECT * FROM kept')).toEqual([1]);
});

test('another port is used when the preferred one is taken, and none other when it is fixed', async () => {
  const occupant = createServer().listen(PORT, '127.0.0.1');
  try {
    const postgres = await start();
    expect(postgres.port).not.toBe(PORT);
    await postgres.stop();
    await expect(start({ isPortFixed: true })).rejects.toThrow(/could not bind/);
  } finally {
    occupant.close();
  }
});

test('servers of several data folders that race for one port all start, on ports of their own', async () => {
  const others = [createTestHost(), createTestHost()];
  const hosts = [host, ...others];
  try {
    for (const each of hosts) await (await start({ host: each })).stop();
    const started = await Promise.all(hosts.map((each) => start({ host: each })));
    expect(new Set(started.map(({ port }) => port)).size).toBe(3);
    for (const postgres of started) expect(await query(postgres, 'SELECT 1')).toEqual([1]);
    for (const postgres of started) await postgres.stop();
  } finally {
    for (const other of others) rmSync(other.dataDir, { recursive: true, force: true });
  }
});

test("another folder's server on the port is not mistaken for a wrong password of our own", async () => {
  const other = createTestHost();
  try {
    const { port } = await start({ host: other });
    await expect(start({ preferredPort: port, isPortFixed: true })).rejects.toThrow(/could not bind/);
  } finally {
    for (const left of livingProcesses()) await stopProcess(left, 'SIGINT', 10_000);
    rmSync(other.dataDir, { recursive: true, force: true });
  }
});

test('an interrupted creation of the cluster starts over', async () => {
  const partial = join(host.dataDir, 'postgres', 'data.partial');
  const first = await start();
  await first.stop();
  rmSync(join(host.dataDir, 'postgres', 'data'), { recursive: true });
  mkdirSync(partial);
  writeFileSync(join(partial, 'half'), '');
  expect(await query(await start(), 'SELECT 1')).toEqual([1]);
});

test('data of another major version is refused with what to do about it', async () => {
  const first = await start();
  await first.stop();
  writeFileSync(join(host.dataDir, 'postgres', 'data', 'PG_VERSION'), '17\n');
  await expect(start()).rejects.toThrow(/written by PostgreSQL 17.*MILLRACE_DATA_DIR/s);
});
