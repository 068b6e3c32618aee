import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyProcess } from './process-identity.ts';
import { describeProcess, findLiving, takeLock } from './process-note.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-note-'));
  file = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a lock is taken once while its holder lives', () => {
  expect(takeLock(file)).toBeUndefined();
  expect(takeLock(file)?.pid).toBe(process.pid);
});

test('the lock of a dead process is no obstacle', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  writeFileSync(file, describeProcess(child.pid ?? 0));
  expect(takeLock(file)?.pid).toBe(child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(takeLock(file)).toBeUndefined();
});

test('a later process with the same pid is not taken for the one that was noted', () => {
  writeFileSync(file, JSON.stringify({ pid: process.pid, identity: 'an earlier boot' }));
  expect(findLiving(file)).toBeUndefined();
  expect(takeLock(file)).toBeUndefined();
});

test('a lock file that was cut short or overwritten with garbage is no obstacle', () => {
  for (const text of ['', '{"pid":', 'null', '[]']) {
    writeFileSync(file, text);
    expect(takeLock(file)).toBeUndefined();
    rmSync(file);
  }
});

test('of many processes that find the lock of a dead one, exactly one gets it', async () => {
  writeFileSync(file, JSON.stringify({ pid: process.pid, identity: 'dead' }));
  const script = `
    import { takeLock } from ${JSON.stringify(join(import.meta.dirname, 'process-note.ts'))};
    process.stdout.write(takeLock(${JSON.stringify(file)}) === undefined ? 'mine' : 'other');
    process.stdin.resume().once('end', () => process.exit());`;
  const children = Array.from({ length: 8 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const answers = await Promise.all(children.map(async (child) => String((await once(child.stdout, 'data'))[0])));
  // Nobody exits before everybody has tried: an exited holder would rightly lose the lock to the next.
  for (const child of children) child.stdin.end();
  await Promise.all(children.map((child) => once(child, 'exit')));
  expect(answers.filter((answer) => answer === 'mine')).toHaveLength(1);
  expect(existsSync(file)).toBe(true);
});

test('a process that ended but was never reaped counts as ended', async () => {
  if (process.platform !== 'linux') return;
  // `sh` has become `sleep`, which reaps nobody, by the time the process in the background ends.
  const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 60']);
  const pid = Number(String((await once(parent.stdout, 'data'))[0]));
  const isZombie = () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  await expect.poll(isZombie).toBe(true);
  expect(identifyProcess(pid)).toBeUndefined();
  parent.kill('SIGKILL');
});
