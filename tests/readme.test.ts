import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { preparePlatform, type TestPlatform } from './platform.ts';

const run = promisify(execFile);
const root = new URL('..', import.meta.url);
let platform: TestPlatform;
let apiUrl: string;

beforeAll(async () => {
  platform = await preparePlatform();
  const [api] = await Promise.all([platform.startApi(), platform.startWorker()]);
  apiUrl = api.url;
});
afterAll(() => platform.stop());

it('the curl lines of the README, pasted unchanged, lead from sign-up to a run that succeeded', async () => {
  const readme = await readFile(new URL('README.md', root), 'utf8');
  const script = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
    .map(([, block]) => block)
    .find((b) => b?.includes('curl'));
  expect(script).toBeDefined();
  const { stdout } = await run('bash', ['-c', script ?? ''], { env: { ...process.env, API: apiUrl }, cwd: root });
  const lines = stdout.trim().split('\n');
  expect(lines[0]).toBe('published');
  const { run: finished, steps } = JSON.parse(lines.at(-1) ?? '');
  expect(finished).toMatchObject({ status: 'succeeded', output: { text: 'A large order: 125' } });
  expect(steps.map((step: { stepId: string; status: string }) => [step.stepId, step.status])).toEqual([
    ['total', 'succeeded'],
    ['large', 'succeeded'],
    ['note', 'succeeded'],
  ]);
});
