import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyProcess } from './services/process-identity.ts';

/** A clone in small: the bootstrap, an entry that reports what happens to it, and a finished installation. */
let clone: string;
const lock = JSON.stringify({
  name: 'small',
  lockfileVersion: 3,
  packages: { '': {}, 'node_modules/node': { version: '1.0.0' } },
});

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'millrace-clone-'));
  mkdirSync(join(clone, 'scripts'));
  mkdirSync(join(clone, 'node_modules', 'node', 'bin'), { recursive: true });
  copyFileSync(join(import.meta.dirname, 'bootstrap.mjs'), join(clone, 'scripts', 'bootstrap.mjs'));
  symlinkSync(process.execPath, join(clone, 'node_modules', 'node', 'bin', 'node'));
  writeFileSync(join(clone, 'package-lock.json'), lock);
  writeFileSync(join(clone, 'package.json'), '{"name":"small","version":"1.0.0"}');
  writeFileSync(join(clone, 'node_modules', '.package-lock.json'), lock);
  writeFileSync(
    join(clone, 'scripts', 'run.mjs'),
    `import { runWithProjectNode } from './bootstrap.mjs';\nawait runWithProjectNode('scripts/entry.mjs');`,
  );
  writeFileSync(
    join(clone, 'scripts', 'entry.mjs'),
    `const say = (word) => console.log(word);
     for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, () => { say(event); process.exit(5); });
     say(\`up \${process.pid} \${process.argv.slice(2).join(',')}\`);
     if (process.argv.includes('--end')) process.exit(7);
     if (process.argv.includes('--die')) process.kill(process.pid, 'SIGKILL');
     setInterval(() => {}, 1000);`,
  );
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function run(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess & { text: () => string } {
  const child = spawn(process.execPath, [join(clone, 'scripts', 'run.mjs'), ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += chunk));
  return Object.assign(child, { text: () => text });
}

async function runToEnd(args: string[], env?: NodeJS.ProcessEnv) {
  const child = run(args, env);
  const [code] = await once(child, 'close');
  return { code, text: child.text() };
}

test('arguments reach the entry and its exit code comes back', async () => {
  const { code, text } = await runToEnd(['--end', '--two']);
  expect(code).toBe(7);
  expect(text).toMatch(/^up \d+ --end,--two\n$/);
});

test('an entry that is killed ends the command with the code that shells use for it', async () => {
  expect((await runToEnd(['--die'])).code).toBe(128 + 9);
});

test('signals reach the entry', async () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const child = run([]);
    await expect.poll(child.text).toContain('up');
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([5, null]);
    expect(child.text()).toContain(signal);
  }
});

test('when the command is killed so hard that it cannot pass that on, the entry still learns of it', async () => {
  const child = run([]);
  await expect.poll(child.text).toContain('up');
  const entry = Number(child.text().split(' ')[1]);
  child.kill('SIGKILL');
  await expect.poll(() => identifyProcess(entry), { timeout: 5_000 }).toBeUndefined();
  await expect.poll(child.text).toContain('disconnect');
});

test('when npm is killed, what it ran stops', async () => {
  const command = [process.execPath, join(clone, 'scripts', 'run.mjs')].map((word) => JSON.stringify(word)).join(' ');
  const npm = spawn('sh', ['-c', `${command} & wait`], {
    env: { PATH: process.env.PATH, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  npm.stdout.on('data', (chunk) => (text += chunk));
  await expect.poll(() => text).toContain('up');
  npm.kill('SIGKILL');
  await expect.poll(() => text, { timeout: 5_000 }).toContain('SIGTERM');
});

test('a finished installation is recognised without installing again, and remembered', async () => {
  const stamp = join(clone, 'node_modules', '.millrace-installed');
  expect((await runToEnd(['--end'])).text).not.toContain('Installing');
  expect(readFileSync(stamp, 'utf8')).toBe(createHash('sha256').update(lock).digest('hex'));
});

test('a changed package-lock.json installs again, before anything runs, and what npm says against it is shown', async () => {
  await runToEnd(['--end']);
  const changed = lock
    .replace('1.0.0', '2.0.0')
    .replace('"packages":{', '"packages":{"node_modules/unknown":{"version":"1.0.0"},');
  writeFileSync(join(clone, 'package-lock.json'), changed);
  const npm = join(clone, 'npm-cli.js');
  writeFileSync(npm, `console.log('chatter'); console.error('npm error no such version'); process.exit(1);`);
  const { code, text } = await runToEnd(['--end'], { npm_execpath: npm });
  expect(code).toBe(1);
  expect(text).toBe(
    '• Installing dependencies\nnpm error no such version\n✗ The dependencies could not be installed: npm ci ended with code 1.\n',
  );
});

test('an installation is quiet: one line before, one after, and the clone is otherwise untouched', async () => {
  rmSync(join(clone, 'node_modules'), { recursive: true });
  const npm = join(clone, 'npm-cli.js');
  writeFileSync(
    npm,
    `const fs = require('node:fs');
     fs.mkdirSync('node_modules/node/bin', { recursive: true });
     fs.symlinkSync(process.execPath, 'node_modules/node/bin/node');
     fs.writeFileSync('called', process.argv.slice(2).join(' '));
     console.log('added 1 package');`,
  );
  const { code, text } = await runToEnd(['--end'], { npm_execpath: npm, NODE_ENV: 'production' });
  expect(code).toBe(7);
  expect(text).toMatch(/^• Installing dependencies\n✓ Dependencies installed \(\d+\.\d s\)\nup \d+ --end\n$/);
  expect(readFileSync(join(clone, 'called'), 'utf8')).toMatch(/^ci --include=dev /);
  expect(existsSync(join(clone, 'node_modules', '.millrace-installed'))).toBe(true);
});
