import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { ApiConfig, parseConfig, WorkerConfig } from './config.ts';
import { FAIL_POINTS, problemOfFailPoint } from './fail-points.ts';

const module = new URL('fail-points.ts', import.meta.url).href;

/** How a program ends that passes a point three times. */
function pass(setting: string | undefined) {
  const script = `
    const { armFailPoint, failPoint } = await import('${module}');
    armFailPoint(${JSON.stringify(setting)});
    for (const count of [1, 2, 3]) { failPoint('run.before-record'); console.log(count); }`;
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  return [signal, stdout.trim().split('\n').filter(Boolean).length];
}

it('a program dies at the named point and time, and nowhere else', () => {
  expect(pass('run.before-record')).toEqual(['SIGKILL', 0]);
  expect(pass('run.before-record:3')).toEqual(['SIGKILL', 2]);
  expect(pass('run.after-record')).toEqual([null, 3]);
  expect(pass(undefined)).toEqual([null, 3]);
}, 60_000);

it('a name that does not exist is refused, and so are times that are none', () => {
  for (const name of FAIL_POINTS)
    expect([problemOfFailPoint(name), problemOfFailPoint(`${name}:2`)]).toEqual([null, null]);
  for (const bad of ['run.acepted', '', ':2', 'run.after-record:0', 'run.after-record:x', 'run.after-record:1:1'])
    expect(problemOfFailPoint(bad)).toMatch(/must be one of/);
});

it.each([ApiConfig, WorkerConfig])('production refuses to start with a point to die at', (schema) => {
  const parse = (env: object) => () => parseConfig(schema as typeof ApiConfig, env as Record<string, string>);
  expect(parse({ NODE_ENV: 'production', FAIL_POINT: 'run.after-record' })).toThrow(/FAIL_POINT: is for tests only/);
  expect(parse({ NODE_ENV: 'test', FAIL_POINT: 'run.aftr-record' })).toThrow(/FAIL_POINT: must be one of/);
  expect(parse({ NODE_ENV: 'test', FAIL_POINT: 'run.after-record' })).not.toThrow(/FAIL_POINT/);
});
