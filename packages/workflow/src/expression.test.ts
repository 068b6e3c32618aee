import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ExpressionBindings,
  type ExpressionResult,
  evaluateExpressions,
  evaluateOthers,
  evaluateTemplate,
  isPlain,
} from './expression.ts';
import type { Json } from './json.ts';

const bindings: ExpressionBindings = {
  trigger: {
    type: 'trigger.manual',
    input: {
      name: 'Ada',
      total: 12.5,
      tags: ['x'],
      list: [1, 2],
      nothing: null,
      empty: [],
      deep: { a: [{ b: 1 }, { b: 2 }] },
    },
    at: '2026-01-02T03:04:05.000Z',
  },
  run: { id: 'run-1', workflowId: 'workflow-1', version: 3, startedAt: '2026-01-02T03:04:06.000Z' },
  constants: { base: 'https://example.com' },
  steps: {
    fetch: { status: 'succeeded', output: { id: 7 } },
    skipped: { status: 'skipped' },
    broken: { status: 'failed', output: null, error: { code: 'HTTP_STATUS', message: 'no' } },
    'my-step': { status: 'succeeded', output: 'hyphen' },
    constructor: { status: 'succeeded', output: 'own' },
  },
};
const now = Date.UTC(2026, 0, 2);
const request = (templates: unknown) => ({ templates, path: 'config', bindings, now, seed: 'run-1:step' });

/** The value of a tree, whatever is in it. */
async function evaluated(templates: unknown): Promise<Json> {
  const result = await evaluateExpressions(request(templates));
  if (!result.ok) {
    throw new Error(`${result.error.code} at ${result.error.path}: ${result.error.message}`);
  }
  return result.value;
}

async function codeOf(templates: unknown): Promise<string> {
  const result = await evaluateExpressions(request(templates));
  return result.ok ? JSON.stringify(result.value) : result.error.code;
}

test.each<[string, string, Json]>([
  ['alone it takes the value with its type', '{% $trigger.input.total %}', 12.5],
  ['blanks around it do not matter', '  {% $trigger.input.total %}\n', 12.5],
  ['in text it is inserted as text', 'Hi {% $trigger.input.name %}!', 'Hi Ada!'],
  ['in text other values are inserted as JSON', '{% $trigger.input.list %}/{% $trigger.input.total %}', '[1,2]/12.5'],
  ['it ends at the first %}', '{% "a" %}%}', 'a%}'],
  ['a literal {% is an expression', '{% "{%" %}', '{%'],
  ['text without expressions stays as it is', ' 100 %} ', ' 100 %} '],
  ['a missing path alone is null', '{% $trigger.input.nope.nope %}', null],
  ['a skipped step alone is null', '{% $steps.skipped.output.id %}', null],
  ['a default replaces a missing value', 'v={% $trigger.input.nope ?? "default" %}', 'v=default'],
  ['an empty list is a list', '{% $trigger.input.empty %}', []],
  ['a path over one item gives the item', '{% $trigger.input.deep.a[0].b %}', 1],
  ['a path over several items gives a list', '{% $trigger.input.deep.a.b %}', [1, 2]],
  ['[] keeps a list of one', '{% $trigger.input.deep.a[0].b[] %}', [1]],
  [
    'a failed step has an error and null as output',
    '{% [$steps.broken.error.code, $exists($steps.broken.output)] %}',
    ['HTTP_STATUS', true],
  ],
  ['an id with a hyphen stands in backticks', '{% $steps.`my-step`.output %}', 'hyphen'],
  ['ids named like object properties are ordinary', '{% $steps.constructor.output %}', 'own'],
  ['the root is an empty object', '{% [$keys($$), $exists(name)] %}', [false]],
  ['the run and the constants have names', '{% $constants.base & "/" & $run.version %}', 'https://example.com/3'],
  ['aggregates work', '{% $sum($trigger.input.deep.a.b) %}', 3],
])('an expression: %s', async (_name, template, expected) => {
  expect(await evaluated(template)).toEqual(expected);
});

test('a whole tree is evaluated, keys and other values stay', async () => {
  const tree = { url: '{% $constants.base %}/x', n: 1, list: ['{% $run.id %}', null, true], deep: { '{% no %}': [] } };
  expect(await evaluated(tree)).toEqual({
    url: 'https://example.com/x',
    n: 1,
    list: ['run-1', null, true],
    deep: { '{% no %}': [] },
  });
});

test.each(['{% $trigger.input.nope %}', '{% $trigger.input.nothing %}', '{% $steps.skipped.output %}'])(
  'no value and null cannot be inserted in text: %s',
  async (expression) => {
    expect(await evaluateExpressions(request({ url: `/orders/${expression}` }))).toEqual({
      ok: false,
      error: {
        code: 'EXPRESSION_NO_VALUE',
        path: 'config.url',
        position: 10,
        message: 'An expression inside text has no value; give it one with ?? "default".',
      },
    });
  },
);

test.each([
  '{% $sum %}',
  '{% function($x) { $x } %}',
  '{% /a/ %}',
  '{% [1, $sum] %}',
  '{% { "f": function() { 1 } } %}',
  '{% $match("a", /a/)[0].next %}',
  '{% 1 / 0 %}',
  '{% -1 / 0 %}',
  '{% [0 / 0] %}',
])('functions, regular expressions and non-finite numbers are no values: %s', async (template) => {
  expect(['EXPRESSION_TYPE', 'EXPRESSION_FAILED', 'null']).toContain(await codeOf(template));
  if (!template.includes('next') && !template.includes('/ 0')) {
    expect(await codeOf(template)).toBe('EXPRESSION_TYPE');
  }
});

test('an error names path, position and kind, never a value', async () => {
  const secret = 'S3CRET-VALUE';
  const templates = { headers: { auth: 'Bearer {% $number($constants.token) %}' } };
  const result = await evaluateExpressions({
    ...request(templates),
    bindings: { ...bindings, constants: { token: secret } },
  });
  expect(result).toMatchObject({ ok: false, error: { code: 'EXPRESSION_FAILED', path: 'config.headers.auth' } });
  expect(JSON.stringify(result)).not.toContain(secret);
  const attempts = [
    '$error($constants.token)',
    '$assert(false, $constants.token)',
    '$constants.token + 1',
    '$constants.token()',
    '-$constants.token',
    '$toMillis($constants.token)',
    '{($constants.token[]): 1}',
    '$constants.token < 1',
    '$fromMillis(1, $constants.token & "[")',
    '$formatBase(1, $constants.token)',
  ];
  for (const source of attempts) {
    const failed = await evaluateExpressions({
      ...request(`{% ${source} %}`),
      bindings: { ...bindings, constants: { token: secret } },
    });
    expect(JSON.stringify(failed)).not.toContain(secret);
  }
});

test('time and randomness come from the request, so that a repetition repeats the result', async () => {
  const templates = [
    '{% $now() %}',
    '{% $millis() %}',
    '{% $now("[Y0001]") %}',
    '{% $random() %}',
    '{% $random() %}',
    '{% $shuffle([1..20]) %}',
  ];
  const first = await evaluated(templates);
  expect(first).toEqual(await evaluated(templates));
  expect((first as Json[]).slice(0, 3)).toEqual(['2026-01-02T00:00:00.000Z', now, '2026']);
  const [, , , one, two, shuffled] = first as Json[];
  expect(one).not.toBe(two);
  expect([...(shuffled as number[])].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  const other = await evaluateExpressions({ ...request(templates), seed: 'run-2:step' });
  expect(other).not.toEqual({ ok: true, value: first });
});

test('keys named __proto__ in data are copied as keys and change no prototype', async () => {
  const input: Json = JSON.parse('{"a":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}');
  const hostile = { ...bindings, trigger: { ...bindings.trigger, input } };
  for (const source of [
    '$trigger.input.a',
    '$merge([$trigger.input.a])',
    '$trigger.input.a ~> |$|{"x":1}|',
    '{"__proto__": {"polluted": true}}',
    '$each($trigger.input.a, function($v, $k) { {$k: $v} }) ~> $merge()',
  ]) {
    const result = await evaluateExpressions({ ...request(`{% ${source} %}`), bindings: hostile });
    expect(result.ok).toBe(true);
    expect(JSON.stringify(result)).toContain('"__proto__":{"polluted":true}');
    const value = result.ok ? (result.value as object) : {};
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  }
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test('a value too deep or too large ends with a typed error', async () => {
  let deep: Json = 1;
  for (let level = 0; level < 2000; level += 1) {
    deep = [deep];
  }
  const templates = '{% $trigger.input %}';
  const result = evaluateTemplate({
    ...request(templates),
    bindings: { ...bindings, trigger: { ...bindings.trigger, input: deep } },
  });
  expect(result).toMatchObject({ ok: false, error: { code: 'EXPRESSION_LIMIT', path: 'config' } });
  const doubling = Array.from(
    { length: 40 },
    (_, index) => `$v${index + 1} := {"l": $v${index}, "r": $v${index}}`,
  ).join('; ');
  expect(await codeOf(`{% ($v0 := 1; ${doubling}; $v40) %}`)).toBe('OUTPUT_TOO_LARGE');
  const large = { ...bindings, trigger: { ...bindings.trigger, input: 'x'.repeat(9_000_000) } };
  for (const twice of [
    '{% $trigger.input %}, {% $trigger.input %}',
    ['{% $trigger.input %}', '{% $trigger.input %}'],
  ]) {
    const error = { code: 'OUTPUT_TOO_LARGE', path: Array.isArray(twice) ? 'config[1]' : 'config' };
    expect(evaluateTemplate({ ...request(twice), bindings: large })).toMatchObject({ ok: false, error });
    expect(await evaluateExpressions({ ...request(twice), bindings: large })).toMatchObject({ ok: false, error });
  }
});

test('only trees of literals and plain paths are evaluated in the worker itself', () => {
  expect(isPlain({ a: ['{% $trigger.input.a[0].b %} {% "x" %}'], b: 1 })).toBe(true);
  expect(isPlain({ a: '{% $trigger.input.a %}', b: '{% 1 + 1 %}' })).toBe(false);
  expect(() => evaluateTemplate(request('{% 1 + 1 %}'))).toThrow();
});

test('plain paths of a tree are not evaluated with the others, and need not be bound for them', async () => {
  const templates = { a: '{% $trigger.input.name %} {% $string($steps.fetch.output.id) %}', b: ['{% $nope + 1 %}'] };
  const narrow = { ...bindings, trigger: { ...bindings.trigger, input: null } };
  const others = await evaluateOthers({ ...request(templates), bindings: narrow });
  expect(others).toEqual({ ok: true, value: ['7', null] });
  expect(evaluateTemplate(request(templates), ['7', null])).toEqual({ ok: true, value: { a: 'Ada 7', b: [null] } });
  expect(() => evaluateTemplate(request(templates), ['7'])).toThrow();
  const failing = { a: '{% $trigger.input %}', b: ['x{% $string(1) & $number("s") %}'] };
  const error = { code: 'EXPRESSION_FAILED', path: 'config.b[0]', position: 25 };
  expect(await evaluateOthers(request(failing))).toMatchObject({ ok: false, error });
});

test('a tree gives the same result with plain paths and with JSONata', async () => {
  const path = fc.constantFrom(
    '$trigger.input.name',
    '$trigger.input',
    '$trigger.input.nothing',
    '$trigger.nope',
    '$steps.fetch.output.id',
    '$steps.skipped.output',
    '$trigger.input.deep.a.b',
    '"x"',
    '1.5',
    'null',
    '$constants.base',
  );
  const text = fc
    .array(
      fc.oneof(
        path.map((source) => `{% ${source} %}`),
        fc.constantFrom('a', ' ', '%}'),
      ),
      { maxLength: 3 },
    )
    .map((parts) => parts.join(''));
  // In brackets an expression is not plain, and everything in it stands one further.
  const comparable = (result: ExpressionResult) =>
    JSON.stringify(result.ok ? result.value : [result.error.code, result.error.path]);
  const tree = fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.dictionary(fc.string(), text, { maxKeys: 3 }));
  await fc.assert(
    fc.asyncProperty(tree, async (templates) => {
      const inProcess = evaluateTemplate(request(templates));
      const others = JSON.parse(JSON.stringify(templates).replaceAll(/\{% (.*?) %\}/g, '{% ($1) %}'));
      const viaJsonata = await evaluateExpressions(request(others));
      expect(comparable(inProcess)).toBe(comparable(viaJsonata));
    }),
    { numRuns: 1000 },
  );
});
