import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareHost } from './host.ts';
import { createPrivateFolder, newDataDir } from './testing.ts';

let clone: string;
const made: string[] = [];
beforeEach(() => {
  clone = createPrivateFolder();
  made.push(clone);
});
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function prepare(requested?: string) {
  const said: string[] = [];
  const host = prepareHost(clone, requested, (line) => said.push(line));
  made.push(host.dataDir);
  return { host, said: said.join('\n') };
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

test('the folder that was asked for is used, relative paths starting at the clone', () => {
  const wanted = newDataDir();
  expect(prepare(wanted).host.dataDir).toBe(wanted);
  if (process.getuid?.() !== 0) expect(prepare('data').host.dataDir).toBe(join(clone, 'data'));
});

test('secrets, logs and notes are closed to other users, whatever the umask', () => {
  const before = process.umask(0o000);
  const { host } = prepare(newDataDir());
  process.umask(before);
  for (const folder of [host.secretsDir, host.logsDir, host.runDir]) expect(modeOf(folder)).toBe(0o700);
});

test('folders that were there keep their owner and mode', () => {
  const wanted = newDataDir();
  made.push(wanted);
  mkdirSync(wanted, { mode: 0o755 });
  mkdirSync(join(wanted, 'logs'), { mode: 0o750 });
  const { uid } = statSync(wanted);
  prepare(wanted);
  expect([modeOf(wanted), modeOf(join(wanted, 'logs')), modeOf(clone)]).toEqual([0o755, 0o750, 0o700]);
  expect(statSync(wanted).uid).toBe(uid);
});

if (process.getuid?.() === 0) {
  test('root: a clone that others cannot enter gets its data under /var/lib/millrace, and this is said', () => {
    const { host, said } = prepare();
    expect(host.dataDir).toMatch(/^\/var\/lib\/millrace\/[0-9a-f]{12}$/);
    expect(host.user).toMatchObject({ name: 'millrace' });
    expect(said).toContain(host.dataDir);
    expect(prepare().host.dataDir).toBe(host.dataDir);
  });

  test('root: a folder that was asked for but that the system user cannot reach is not used, and this is said', () => {
    const wanted = join(clone, 'data');
    const { host, said } = prepare(wanted);
    expect(host.dataDir).toMatch(/^\/var\/lib\/millrace\//);
    expect(said).toContain(`cannot reach ${wanted}`);
    expect(existsSync(wanted)).toBe(false);
  });

  test('root: a clone that was deleted and made again starts afresh', () => {
    const first = prepare().host.dataDir;
    rmSync(join(clone, '.millrace'), { recursive: true });
    expect(prepare().host.dataDir).not.toBe(first);
  });
} else {
  test('the data is in the clone, closed to other users', () => {
    const { host } = prepare();
    expect(host).toMatchObject({ dataDir: join(clone, '.millrace'), user: undefined });
    expect(modeOf(host.dataDir)).toBe(0o700);
  });
}
