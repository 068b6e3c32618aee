import { expect, it } from 'vitest';
import { type ProjectFile, readProjectFiles } from './project-files.ts';

/** docs/security.md promises by id; a promise without a test that carries its id is only a sentence. */

const ROW = /^\| ([A-Z]\d{1,2}) \| /;

it('every promise of docs/security.md has a test that carries its id', async () => {
  const files = await readProjectFiles();
  const ids = promisedIds(files);
  expect(ids.length).toBeGreaterThan(25);
  const tests = files.filter(({ path }) => path.endsWith('.test.ts') && !path.startsWith('tests/security-promises'));
  const text = tests.flatMap(({ lines }) => lines.filter(nameOrComment)).join('\n');
  expect(ids.filter((id) => !new RegExp(`\\b${id}\\b`).test(text))).toEqual([]);
});

function promisedIds(files: ProjectFile[]): string[] {
  const page = files.find(({ path }) => path === 'docs/security.md');
  return (page?.lines ?? []).flatMap((line) => ROW.exec(line)?.[1] ?? []);
}

/** An id in a test's name or in a comment; elsewhere it may be anything. */
function nameOrComment(line: string): boolean {
  return /\b(it|describe|test)\b|^\s*['"`]|\/\/|^\s*\/?\*/.test(line);
}
