import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../packages/queue/src/testing.ts';

const clone = dirname(dirname(import.meta.dirname));
const START_MS = 240_000;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-interrupt-'));
  chmodSync(folder, 0o755); // for the user that PostgreSQL runs as where we are root
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Whatever has the folder among its arguments or in its environment. */
function processesOf(): string[] {
  return listProcesses().filter((text) => text.includes(folder));
}

/** Linux without `ps` is common. */
function listProcesses(): string[] {
  if (process.platform !== 'linux') {
    const text = execFileSync('ps', ['axeww', '-o', 'pid=,command='], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    return text.split('\n');
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`)} ${read(`/proc/${pid}/environ`)}`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it has ended, or belongs to somebody else
  }
}

it('Ctrl-C in the middle of the chaos leaves no process and no file behind, frozen programs included', async () => {
  // Of this seed the first fault is the one that is waited for.
  const args = [join(clone, 'scripts', 'chaos.ts'), '--full', '--minutes', '5', '--seed', '20', 'chaos.test'];
  // Servers that this test run was started with are not to be used: they are to be started and stopped.
  const { MILLRACE_TEST_DATABASE_URL: _, MILLRACE_TEST_REDIS_URL: __, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: clone,
    env: { ...env, TMPDIR: folder },
    // The channel ends with this process, and then the chaos does.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close');
  await eventually(
    'a worker to be frozen',
    () => /\d freeze worker,/.test(output) || child.exitCode !== null,
    START_MS,
  );
  expect(child.exitCode, output).toBe(null);
  expect(processesOf().length).toBeGreaterThan(5);
  // Twice, as npm does for a terminal.
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect((await ended)[0], output).toBe(130);
  await eventually('all processes to be gone', () => processesOf().length === 0, 20_000).catch(() => {});
  expect(processesOf()).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
}, 360_000);
