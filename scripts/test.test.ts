import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

/** A project in small, with the real tools: one source file, one test file. */
let folder: string;
const project = dirname(import.meta.dirname);
const passing = `import { expect, test } from 'vitest';\nimport { one } from './one.ts';\n\ntest('one is one', () => expect(one).toBe(1));\n`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-small-'));
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'scripts'));
  cpSync(join(import.meta.dirname, 'test.ts'), join(folder, 'scripts', 'test.ts'));
  cpSync(join(project, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  put('package.json', { name: 'small', type: 'module', devDependencies: { vitest: '*' } });
  put('biome.json', { formatter: { enabled: false } });
  put('knip.json', { entry: ['*.test.ts', 'scripts/test.ts'], project: ['*.ts'] });
  put(
    'vitest.config.ts',
    `import { defineConfig } from 'vitest/config';\n\nexport default defineConfig({ test: { include: ['*.test.ts'] } });\n`,
  );
  put('one.ts', 'export const one = 1;\n');
  put('one.test.ts', passing);
  mkdirSync(join(folder, 'apps', 'web'), { recursive: true });
  put('apps/web/tsconfig.json', { extends: '../../tsconfig.json', include: ['*.ts'], exclude: [] });
  put('apps/web/page.ts', 'export const page = 1;\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: object | string): void {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : `${JSON.stringify(content)}\n`);
}

async function runTests() {
  const child = spawn(process.execPath, [join(folder, 'scripts', 'test.ts')], {
    // Without CI and the like; a test run inside a test run must not take the outer one for its own.
    env: {
      PATH: [join(folder, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
      HOME: process.env.HOME,
      CI: 'true',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close');
  return { code, text, lastLine: text.trimEnd().split('\n').at(-1) };
}

test('when all is well the last line counts each check and each test, and the code is 0', async () => {
  const { code, text, lastLine } = await runTests();
  expect(lastLine, text).toBe('5 passed, 0 failed');
  expect(code).toBe(0);
  for (const section of ['Format and lint', 'Types', 'Types of the web app', 'Dead code', 'Tests']) {
    expect(text).toMatch(new RegExp(`✓ ${section} \\(\\d+\\.\\d s\\)`));
  }
});

test('every kind of failure is counted and shown', async () => {
  put('one.ts', `export const one: string = 1;\nexport const unused = 2;\n`);
  put(
    'two.test.ts',
    `import { test } from 'vitest';\n\ntest('two', () => {\n  throw new Error('two is not one');\n});\n`,
  );
  put('three.test.ts', `import './missing.ts';\n`);
  put('four.ts', 'export const four = 4;\ndebugger;\n');
  const { code, text, lastLine } = await runTests();
  // Three checks, a test that fails and a file that does not load.
  expect(lastLine, text).toBe('2 passed, 5 failed');
  expect(code).toBe(1);
  expect(text).toContain('noDebugger');
  expect(text).toContain('TS2322');
  expect(text).toContain('two is not one');
  expect(text).toMatch(/unused/);
});

test('tests that leave an error behind outside any test do not pass', async () => {
  put(
    'one.test.ts',
    `${passing}\nsetTimeout(() => {\n  throw new Error('left behind');\n}, 10);\ntest('waits', () => new Promise((resolve) => setTimeout(resolve, 200)));\n`,
  );
  const { code, text, lastLine } = await runTests();
  expect(lastLine, text).toBe('6 passed, 1 failed');
  expect(code).toBe(1);
});

test('a run without a single test is a failure', async () => {
  rmSync(join(folder, 'one.test.ts'));
  put('one.ts', 'console.log(1);\n');
  put('knip.json', { entry: ['one.ts', 'scripts/test.ts'], project: ['*.ts'], ignoreDependencies: ['vitest'] });
  const { code, text, lastLine } = await runTests();
  expect(lastLine, text).toBe('4 passed, 1 failed');
  expect(code).toBe(1);
});
