import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findOrInstallRedis } from './redis-program.ts';

/** A machine that has only what each test puts into this folder. */
let folder: string;
let said: string[];
const usualPath = process.env.PATH;
const installed = findOrInstallRedis(() => {}).path;

beforeEach(() => {
  said = [];
  folder = mkdtempSync(join(tmpdir(), 'millrace-path-'));
  process.env.PATH = folder;
  // For those who are not root; called as: sudo -n env VARIABLE=value program ...
  addProgram('sudo', 'shift; exec "$@"');
  symlinkSync('/usr/bin/env', join(folder, 'env'));
  addProgram('true', 'exit 0');
});
afterEach(() => {
  process.env.PATH = usualPath;
  rmSync(folder, { recursive: true, force: true });
});

function addProgram(name: string, script: string): void {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const find = () => findOrInstallRedis((line) => said.push(line));
const putRedis = (name: string) => `/bin/ln -s ${installed} ${join(folder, name)}`;

test('a Valkey on the PATH is as good as a Redis', () => {
  addProgram('valkey-server', 'echo "Valkey server v=8.1.4 sha=00000000:0 malloc=jemalloc bits=64"');
  expect(find()).toEqual({ path: join(folder, 'valkey-server'), version: 'Valkey 8.1.4' });
  expect(said).toEqual([]);
});

test('a server that is too old is named, with what to do', () => {
  addProgram('redis-server', 'echo "Redis server v=5.0.14 sha=00000000:0"');
  expect(find).toThrow(/version 5\.0\.14; Millrace needs 6\.2 or newer.*REDIS_URL/);
});

test('apt-get installs it after saying so, fetching package lists only when the first attempt fails', () => {
  addProgram(
    'apt-get',
    `[ $1 = update ] && : > ${folder}/lists\n[ -e ${folder}/lists ] || exit 100\n${'[ $1 = update ] || '}${putRedis('redis-server')}`,
  );
  expect(find().path).toBe(join(folder, 'redis-server'));
  expect(said).toEqual([expect.stringMatching(/^Installing Redis with apt-get, because/)]);
});

test('apk installs Redis when the release has no Valkey', () => {
  addProgram('apk', `[ $3 = redis ] && ${putRedis('redis-server')}`);
  expect(find().path).toBe(join(folder, 'redis-server'));
});

test('what the package manager started is stopped: only the program was wanted', () => {
  addProgram('apt-get', putRedis('redis-server'));
  addProgram('systemctl', `echo "$@" >> ${folder}/stopped`);
  find();
  expect(existsSync(join(folder, 'stopped'))).toBe(true);
});

test("a failed installation shows the package manager's own words", () => {
  addProgram('dnf', 'echo "no space left" >&2; exit 1');
  expect(find).toThrow(/no space left\nRedis could not be installed with dnf.*REDIS_URL/s);
});

test('without any package manager a sentence says what to install', () => {
  expect(find).toThrow(/no redis-server or valkey-server on this machine\. Install .* or set REDIS_URL/);
});
