import { expect, test } from 'vitest';
import type { Json } from '../json.ts';
import { evaluateJsonata } from '../jsonata.ts';
import { findKind } from './registry.ts';

const USER = '0198c0de-0000-7000-8000-000000000001';

const run = (type: string, config: Json, collected: Record<string, Json> = {}) =>
  findKind(type)?.run?.({ config, collected });

test.each<Json>([null, true, false, 0, 1, -1, '', 'x', [], [0], [1], [0, 0], [0, 1], [[]], [[1]], [{}], {}, { a: 0 }])(
  'a condition judges %j as JSONata does, and no value as false',
  async (value) => {
    const expected = (await evaluateJsonata('$boolean($v)', { v: value }, { now: 0 })) === true;
    expect(run('condition', { if: value })).toEqual({ ok: true, output: expected, branch: String(expected) });
  },
);

test('a transform gives its value', () => {
  expect(run('transform', { value: { a: [1] } })).toEqual({ ok: true, output: { a: [1] } });
  expect(run('transform', { value: null })).toEqual({ ok: true, output: null });
});

test('a join gives what it collected', () => {
  expect(run('parallel.join', { mode: 'any' }, { a: 1, b: null })).toEqual({ ok: true, output: { a: 1, b: null } });
});

test('an http request is not pure: a connector executes it', () => {
  expect(findKind('http.request')?.run).toBeUndefined();
});

// Kinds that wait

const wait = (type: string, config: Json, at = 0) => findKind(type)?.wait?.({ config, at });
const HOUR = 3_600_000;

test.each<[Json, number]>([
  [0, 0],
  [1500, 1500],
  ['PT90S', 90_000],
  ['PT0.5S', 500],
  ['PT1H30M', 1.5 * HOUR],
  ['P2D', 48 * HOUR],
  ['P1DT1H', 25 * HOUR],
  ['P1W', 168 * HOUR],
])('a delay for %j waits %i ms from now on', (duration, expected) => {
  expect(wait('delay', { for: duration }, 1000)).toEqual({ ok: true, for: 'timer', dueAt: 1000 + expected });
});

test('a delay until a time waits until then, and not at all when it has passed', () => {
  const dueAt = Date.UTC(2026, 4, 1, 7);
  for (const until of ['2026-05-01T07:00:00Z', '2026-05-01T09:00+02:00', '2026-05-01T07:00:00.000Z']) {
    expect(wait('delay', { until }, dueAt + 5)).toEqual({ ok: true, for: 'timer', dueAt });
  }
  const leapDay = Date.UTC(2028, 1, 29);
  expect(wait('delay', { until: '2028-02-29T00:00:00Z' }, leapDay)).toMatchObject({ dueAt: leapDay });
});

test.each(['2026-02-29T00:00:00Z', '2026-02-30T00:00:00Z', '2026-04-31T23:59:59.999+02:00', '2026-06-31T24:00Z'])(
  'a delay until %s fails: no month has that day, and none is guessed',
  (until) => {
    const error = { code: 'DELAY_INVALID', retryable: false };
    expect(wait('delay', { until }, Date.UTC(2026, 1, 1))).toMatchObject({ ok: false, error });
    expect(findKind('delay')?.config.safeParse({ until }).success).toBe(false);
  },
);

test.each<[Json]>([
  [{ for: -1 }],
  [{ for: 'P1Y' }],
  [{ for: 'P1M' }],
  [{ for: 'P' }],
  [{ for: 'PT' }],
  [{ for: 'P1DT' }],
  [{ for: 'soon' }],
  [{ for: '5' }],
  [{ for: 'P400D' }],
  [{ for: null }],
  [{ until: null }],
  [{ until: 5 }],
  [{ until: '2026-05-01' }],
  [{ until: '2026-05-01T07:00:00' }],
  [{ until: '2026-13-01T07:00:00Z' }],
  [{ until: '2036-05-01T07:00:00Z' }],
])('a delay of %j fails instead of waiting for ever or not at all', (config) => {
  expect(wait('delay', config)).toMatchObject({ ok: false, error: { code: 'DELAY_INVALID', retryable: false } });
});

test('a literal delay is checked when publishing, one made by an expression when it runs', () => {
  const isValid = (config: object) => findKind('delay')?.config.safeParse(config).success;
  expect(
    [{ for: 'PT1H' }, { until: '2026-05-01T07:00:00Z' }, { for: '{% 5 %}' }, { until: '{% $now() %}' }].map(isValid),
  ).toEqual([true, true, true, true]);
  expect([{}, { for: 'soon' }, { for: -1 }, { for: 1, until: '{% 1 %}' }, { until: 'tomorrow' }].map(isValid)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('an approval and a webhook wait for as long as it takes, or until their time-out', () => {
  expect(wait('approval', { by: 'admin' })).toEqual({ ok: true, for: 'approval', dueAt: null });
  expect(wait('approval', { by: { userIds: [USER] }, timeoutMs: 5 }, 10)).toEqual({
    ok: true,
    for: 'approval',
    dueAt: 15,
  });
  expect(wait('wait.webhook', {}, 10)).toEqual({ ok: true, for: 'webhook', dueAt: null });
  expect(wait('wait.webhook', { timeoutMs: 5 }, 10)).toEqual({ ok: true, for: 'webhook', dueAt: 15 });
});

test('who may approve is written down, never computed from the data of a run', () => {
  const isValid = (by: unknown) => findKind('approval')?.config.safeParse({ by }).success;
  expect(['member', 'admin', 'owner', { userIds: [USER] }].map(isValid)).toEqual([true, true, true, true]);
  expect(
    ['viewer', '{% "owner" %}', { userIds: [] }, { userIds: ['ann'] }, { roles: ['x'] }, undefined].map(isValid),
  ).toEqual([false, false, false, false, false, false]);
  expect(findKind('approval')?.literalKeys).toContain('by');
});

test('a sub-workflow names its workflow and version in the document', () => {
  const workflowId = '018f2c5e-0000-7000-8000-000000000000';
  const isValid = (config: object) => findKind('subworkflow')?.config.safeParse(config).success;
  const good = [
    { workflowId },
    { workflowId, version: 3, input: { a: '{% 1 %}' }, wait: false },
    { workflowId, version: 'latest' },
  ];
  expect(good.map(isValid)).toEqual([true, true, true]);
  expect([{}, { workflowId: 'x' }, { workflowId, version: 0 }, { workflowId, wait: 'no' }].map(isValid)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

// Kinds that steer and end

test('a fail gives its code, FAILED without one, and its message as text', () => {
  expect(run('fail', { message: 'no' })).toEqual({
    ok: false,
    error: { code: 'FAILED', message: 'no', retryable: false },
  });
  expect(run('fail', { code: 'NO', message: { a: 1 } })).toEqual({
    ok: false,
    error: { code: 'NO', message: '{"a":1}', retryable: false },
  });
});

test('a respond gives status 200, no headers and no body unless it says so', () => {
  expect(run('respond', {})).toEqual({ ok: true, output: { status: 200, headers: {}, body: null } });
  expect(run('respond', { status: 404, headers: { ETag: 'b', 'retry-after': 5 }, body: [1] })).toEqual({
    ok: true,
    output: { status: 404, headers: { etag: 'b', 'retry-after': '5' }, body: [1] },
  });
});

test.each(['a\r\nset-cookie: b=1', 'a\u0000', 'ł', ['a'], null, 'x'.repeat(2001)])(
  'a respond fails when the value of a header is not one line of text: %j',
  (value) => {
    expect(run('respond', { headers: { etag: value } })).toMatchObject({
      ok: false,
      error: { code: 'HEADER_INVALID' },
    });
  },
);

test('a respond has only headers that are safe under the address of the platform', () => {
  const isValid = (name: string) => findKind('respond')?.config.safeParse({ headers: { [name]: 'x' } }).success;
  expect(['Content-Type', 'cache-control', 'etag'].filter((name) => !isValid(name))).toEqual([]);
  const refused = ['set-cookie', 'location', 'connection', 'transfer-encoding', 'content-length', 'x-accel-redirect'];
  const others = ['access-control-allow-origin', 'content-security-policy', 'refresh', 'clear-site-data', '', 'a b'];
  expect([...refused, ...others].filter(isValid)).toEqual([]);
});

test('the cases of a switch have names of their own, none of them that of a branch every switch has', () => {
  const isValid = (...names: string[]) =>
    findKind('switch')?.config.safeParse({ cases: names.map((name) => ({ name, if: true })) }).success;
  expect(isValid('a', 'b-1')).toBe(true);
  expect([
    isValid(),
    isValid('a', 'a'),
    isValid('default'),
    isValid('error'),
    isValid('1'),
    isValid('{% "a" %}'),
  ]).toEqual([false, false, false, false, false, false]);
});
