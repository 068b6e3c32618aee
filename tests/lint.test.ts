import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const fixtures = join(root, 'tests/lint-fixtures');

/** Fixture folder -> the one category Biome must report for it. The folder of a rule is its name in kebab case. */
const cases: [fixture: string, category: string][] = [
  ['no-excessive-lines-per-file', 'lint/style/noExcessiveLinesPerFile'],
  ['no-excessive-lines-per-function', 'lint/complexity/noExcessiveLinesPerFunction'],
  ['no-undeclared-dependencies', 'lint/correctness/noUndeclaredDependencies'],
  ['no-import-cycles', 'lint/suspicious/noImportCycles'],
  ['no-process-env', 'lint/style/noProcessEnv'],
  ['no-nodejs-modules', 'lint/correctness/noNodejsModules'],
  ['no-nested-ternary', 'lint/style/noNestedTernary'],
  ['use-import-type', 'lint/style/useImportType'],
  ['no-console', 'lint/suspicious/noConsole'],
  ['no-explicit-any', 'lint/suspicious/noExplicitAny'],
  ['no-unused-imports', 'lint/correctness/noUnusedImports'],
  ['no-unused-variables', 'lint/correctness/noUnusedVariables'],
  ['organize-imports', 'assist/source/organizeImports'],
  ['format', 'format'],
];

let project: string;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'millrace-lint-'));
  for (const file of ['biome.json', 'package.json', ...(await manifests())]) {
    await cp(join(root, file), join(project, file), { recursive: true });
  }
});

afterEach(async () => {
  await rm(project, { recursive: true, force: true });
});

it.each(cases)('the lint stops at the fixture %s', async (fixture, category) => {
  await cp(join(fixtures, fixture), project, { recursive: true });
  const { exitCode, errors } = await lint();
  expect(new Set(errors)).toEqual(new Set([category]));
  expect(exitCode).toBe(1);
});

it('the lint lets pass what keeps every rule, files and functions at their limit included', async () => {
  await cp(join(fixtures, 'clean'), project, { recursive: true });
  expect(await lint()).toEqual({ exitCode: 0, errors: [] });
});

it('every rule that the configuration names has a fixture, and every fixture a case', async () => {
  const folders = (await readdir(fixtures)).filter((folder) => folder !== 'clean');
  expect(folders.sort()).toEqual(cases.map(([fixture]) => fixture).sort());
  const config = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8')) as BiomeConfig;
  const configs = [config, ...(config.overrides ?? [])];
  const named = configs.flatMap(({ linter }) => Object.entries(linter?.rules ?? {})).flatMap(namesOfErrors);
  const covered = new Set(cases.map(([, category]) => category));
  expect(named.filter((category) => !covered.has(category))).toEqual([]);
  expect(named.length).toBeGreaterThanOrEqual(12);
});

interface BiomeConfig {
  linter?: { rules: Record<string, unknown> };
  overrides?: { linter?: { rules: Record<string, unknown> } }[];
}

function namesOfErrors([group, rules]: [string, unknown]): string[] {
  if (typeof rules !== 'object' || rules === null) return [];
  const isError = (setting: unknown) => JSON.stringify(setting).includes('"error"');
  return Object.entries(rules).flatMap(([rule, setting]) => (isError(setting) ? [`lint/${group}/${rule}`] : []));
}

async function manifests(): Promise<string[]> {
  const groups = ['packages', 'apps'].map(async (group) =>
    (await readdir(join(root, group))).map((name) => `${group}/${name}/package.json`),
  );
  return (await Promise.all(groups)).flat();
}

/** The project's own check, with its own configuration; only git is left out, the copy is no repository. */
async function lint(): Promise<{ exitCode: number; errors: string[] }> {
  const args = [
    'check',
    '--error-on-warnings',
    '--vcs-enabled=false',
    '--max-diagnostics=none',
    '--reporter=json',
    '.',
  ];
  const biome = spawn(join(root, 'node_modules/.bin/biome'), args, {
    cwd: project,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(biome, 'exit');
  const report = JSON.parse(await text(biome.stdout)) as { diagnostics: { category: string; severity: string }[] };
  const [exitCode] = (await exited) as [number];
  const errors = report.diagnostics.filter(({ severity }) => severity === 'error').map(({ category }) => category);
  return { exitCode, errors };
}
