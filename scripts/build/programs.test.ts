import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flagsOf } from '../start/node-flags.ts';
import { buildPrograms, type Programs } from './programs.ts';

const clone = dirname(dirname(import.meta.dirname));
const folder = mkdtempSync(join(tmpdir(), 'millrace-builds-'));
let programs: Programs[];
beforeAll(async () => {
  programs = await Promise.all([buildPrograms(clone, folder), buildPrograms(clone, folder)]);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

it('two that build the same sources at once get the same programs, and nothing else is left behind', () => {
  expect(programs[0]).toEqual(programs[1]);
  expect(readdirSync(folder)).toEqual([basename(dirname(programs[0]?.api ?? ''))]);
});

it('what was built of these very sources is not built again', async () => {
  const builtAt = statSync(programs[0]?.api ?? '').mtimeMs;
  expect(await buildPrograms(clone, folder)).toEqual(programs[0]);
  expect(statSync(programs[0]?.api ?? '').mtimeMs).toBe(builtAt);
});

it('V8 can keep the sources at one byte a character, and no program loads the WebSocket of node:http', () => {
  const build = dirname(programs[0]?.api ?? '');
  for (const file of readdirSync(build).filter((name) => name.endsWith('.mjs'))) {
    const code = readFileSync(join(build, file), 'latin1');
    expect(code, file).not.toMatch(/[\u0080-\u00ff]/);
    expect(code, file).not.toMatch(/^import .* from ["'](node:)?http["']/m);
  }
});

it('starts wherever the build stands, as far as its settings go', () => {
  for (const [file, setting] of [
    [programs[0]?.api, 'API_DATABASE_URL'],
    [programs[0]?.worker, 'WORKER_DATABASE_URL'],
  ] as const) {
    const { stdout, status } = spawnSync(process.execPath, [...flagsOf('api'), file ?? ''], { env: {}, cwd: '/' });
    expect([status, String(stdout)]).toEqual([1, expect.stringContaining(setting)]);
  }
});
