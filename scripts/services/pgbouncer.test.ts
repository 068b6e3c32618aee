import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Host } from './host.ts';
import { findOrInstall } from './machine-program.ts';
import { livingProcesses, stopProcess } from './managed-process.ts';
import { PGBOUNCER, startPgBouncer } from './pgbouncer.ts';
import { createTestHost } from './testing.ts';

const PORT = 26_440;
const cluster = new URL(process.env.MILLRACE_TEST_DATABASE_URL ?? '');
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

// Installing the program, where it is missing, takes longer than a test usually may.
const PATIENCE = 300_000;

const start = () =>
  startPgBouncer({
    host,
    preferredPort: PORT,
    postgresUrl: cluster.href,
    logins: { [cluster.username]: decodeURIComponent(cluster.password) },
    poolSize: 1,
    say: (line) => said.push(line),
  });

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

test(
  'two clients share one server connection, transaction by transaction',
  async () => {
    const bouncer = await start();
    const clients = [await connect(bouncer.urlOf(cluster.href)), await connect(bouncer.urlOf(cluster.href))];
    const pids = [];
    for (const client of clients) pids.push((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
    expect(pids[0]).toBe(pids[1]);
    for (const client of clients) await client.end();
  },
  PATIENCE,
);

test('it answers only those who know the password, on loopback, and keeps passwords from other users', async () => {
  const bouncer = await start();
  const wrong = new URL(bouncer.urlOf(cluster.href));
  wrong.password = 'wrong';
  await expect(connect(wrong.href)).rejects.toThrow(/auth/i);
  expect(bouncer.urlOf(cluster.href)).toContain('@127.0.0.1:');
  for (const file of ['users.txt', 'pgbouncer.ini'])
    expect(statSync(join(host.dataDir, 'pgbouncer', file)).mode & 0o777).toBe(0o600);
});

test('one that a killed run left running is stopped, and the next one has its port', async () => {
  const first = await start();
  const second = await start();
  expect(said).toEqual(['Stopped the PgBouncer of an earlier start.']);
  expect(first.process.isRunning()).toBe(false);
  expect(second.port).toBe(first.port);
});

test('another port is used when the preferred one is taken', async () => {
  const occupant = createServer().listen(PORT, '127.0.0.1');
  try {
    expect((await start()).port).not.toBe(PORT);
  } finally {
    occupant.close();
  }
});

test('where it cannot be had, a sentence says what to install', () => {
  const [path, empty] = [process.env.PATH, mkdtempSync(join(tmpdir(), 'millrace-path-'))];
  process.env.PATH = empty;
  try {
    const find = () => findOrInstall({ ...PGBOUNCER, folders: [] }, (line) => said.push(line));
    expect(find).toThrow('There is no pgbouncer on this machine. Install pgbouncer');
  } finally {
    process.env.PATH = path;
    rmSync(empty, { recursive: true });
  }
});
