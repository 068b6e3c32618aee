import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const HOUR_MS = 3_600_000;
let folder: string;
let file: string;

const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString();
const LINES = [
  JSON.stringify({ time: ago(30), event: 'seen', path: '/v1/orgs/0190b7a0-0000-7000-8000-000000000001', who: 'ada' }),
  JSON.stringify({ time: ago(2), event: 'seen', path: '/v1/orgs/0190b7a0-0000-7000-8000-000000000002', who: 'ada' }),
  JSON.stringify({ time: ago(1), event: 'seen', path: '/v1/me', who: 'eve\t1\nforged' }),
  JSON.stringify({ time: ago(1), event: 'other' }),
  'Node.js v24, and whatever else a process prints',
  '{"event":"seen"', // cut off
  'null',
  '42',
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-log-query-'));
  file = join(folder, 'api.log');
  await writeFile(file, `${LINES.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function query(...args: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'log-query.mjs'), ...args]);
  return stdout.split('\n').slice(0, -1);
}

it('counts one event, in one file or several, and skips what is no log line', async () => {
  expect(await query('seen', file)).toEqual(['3']);
  expect(await query('seen', file, file)).toEqual(['6']);
  expect(await query('nothing', file)).toEqual(['0']);
});

it('looks only at the time asked about, by age or by date', async () => {
  expect(await query('seen', '--since', '24h', file)).toEqual(['2']);
  expect(await query('seen', '--since', '2d', '--until', '24h', file)).toEqual(['1']);
  expect(await query('seen', '--since', ago(1.5), file)).toEqual(['1']);
});

it('groups by fields with the most frequent first, folds ids in paths, and shows no value as a row of its own', async () => {
  expect(await query('seen', '--by', 'path,who,why', file)).toEqual([
    '2\t/v1/orgs/:id\tada\t-',
    '1\t/v1/me\teve 1 forged\t-',
  ]);
  expect(await query('seen', '--by', 'who', '--top', '1', file)).toEqual(['2\tada']);
});

it.each([
  ['no event', []],
  ['a time it cannot read', ['seen', '--since', 'yesterday']],
  ['an option it does not know', ['seen', '--sense', '24h']],
  ['a file that is not there', ['seen', '/no/such/file']],
])('fails with a sentence for %s, rather than print a wrong number', async (_name, args) => {
  const failure = await query(...args).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/\w/) });
});
