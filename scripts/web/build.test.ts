import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createPrivateFolder } from '../services/testing.ts';
import { fingerprintSources } from './build.ts';

let clone: string;

beforeEach(() => {
  clone = createPrivateFolder();
  write('apps/web/src/page.tsx', 'one');
  write('packages/shared/src/runs.ts', 'one');
  write('packages/workflow/src/plan.ts', 'one');
  write('scripts/web/build.ts', 'one');
  write('package-lock.json', '{}');
});
afterEach(() => rmSync(clone, { recursive: true }));

it('the web app is built anew exactly when something that it is made of changed', () => {
  const before = fingerprintSources(clone);
  for (const path of ['apps/web/src/page.test.ts', 'apps/web/.next/static/page.js', 'apps/web/node_modules/x/index.js'])
    write(path, 'not built from');
  write('packages/db/src/runs.ts', 'not built from');
  expect(fingerprintSources(clone)).toBe(before);
  for (const path of [
    'apps/web/src/page.tsx',
    'packages/shared/src/runs.ts',
    'package-lock.json',
    'scripts/web/build.ts',
    'apps/web/src/new.ts',
  ]) {
    const last = fingerprintSources(clone);
    write(path, 'two');
    expect([path, fingerprintSources(clone)]).not.toEqual([path, last]);
  }
});

it('a copy of the sources has the same build', () => {
  const copy = createPrivateFolder();
  cpSync(clone, copy, { recursive: true });
  expect(fingerprintSources(copy)).toBe(fingerprintSources(clone));
  rmSync(copy, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(join(clone, path, '..'), { recursive: true });
  writeFileSync(join(clone, path), text);
}
