import { describe, expect, test } from 'vitest';
import { validateDefinition } from '../validate.ts';
import { inputCheckOf } from './input-schema.ts';

const documentWith = (inputSchema: unknown) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual', config: { inputSchema } },
  nodes: [{ id: 'a', type: 'transform', config: { value: 1 } }],
});

function problemsOf(inputSchema: unknown): string[] {
  const validation = validateDefinition(documentWith(inputSchema));
  return validation.ok ? [] : validation.problems.map(({ path, code }) => `${path} ${code}`);
}

/** What is wrong with an input; the schema must be one that can be published. */
function faultsOf(inputSchema: object, input: unknown): string[] {
  expect(problemsOf(inputSchema)).toEqual([]);
  const check = inputCheckOf(documentWith(inputSchema));
  return (check?.(input) ?? []).map(({ path, message }) => `${path}: ${message}`);
}

const AT = 'trigger.config.inputSchema';
const ORDER = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'An order',
  type: 'object',
  required: ['customer', 'lines'],
  additionalProperties: false,
  properties: {
    customer: { $ref: '#/$defs/person' },
    lines: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['sku'],
        properties: { sku: { type: 'string', maxLength: 20 }, count: { type: 'integer', minimum: 1 } },
      },
    },
    note: { type: ['string', 'null'], default: null },
    kind: { enum: ['gift', 'sale'] },
  },
  $defs: {
    person: { type: 'object', required: ['email'], properties: { email: { type: 'string', format: 'email' } } },
  },
};

describe('an input', () => {
  test('that fits its schema will do', () => {
    const lines = [{ sku: 'a' }, { sku: 'b', count: 2 }];
    expect(faultsOf(ORDER, { customer: { email: 'a@example.com' }, lines, note: null, kind: 'gift' })).toEqual([]);
    expect(faultsOf({ not: { type: 'object' } }, undefined)).toEqual([]);
  });

  test('that does not fit hears everything that is wrong, each with its path', () => {
    const input = { customer: {}, lines: [{ sku: 5, count: 0 }, {}], note: 1, kind: 'loan', x: true };
    expect(faultsOf(ORDER, input)).toEqual([
      'input.customer: The value does not have required property "email".',
      'input.lines[0].sku: The value type "number" is invalid. Expected "string".',
      'input.lines[0].count: 0 is less than 1.',
      'input.lines[1]: The value does not have required property "sku".',
      'input.note: The value type "number" is invalid. Expected "string", "null".',
      'input.kind: The value does not match any of ["gift","sale"].',
      'input.x: This is not allowed here.',
    ]);
    expect(faultsOf(ORDER, undefined)).toEqual(['input: The value type "null" is invalid. Expected "object".']);
    expect(faultsOf({ propertyNames: { maxLength: 2 } }, { 'a/~%é': 1 })).toHaveLength(1);
    expect(faultsOf({ additionalProperties: { type: 'null' } }, { 'a/~%é': 1 })[0]).toContain('input["a/~%é"]: ');
  });

  test('may not hide behind names that objects inherit', () => {
    const schema = {
      required: ['toString'],
      properties: { constructor: { type: 'string' } },
      additionalProperties: false,
    };
    expect(faultsOf(schema, {})).toEqual(['input: The value does not have required property "toString".']);
    expect(faultsOf(schema, { constructor: 1, toString: 2 })).toHaveLength(2);
  });

  test('of a document without a schema, or with another trigger, is not judged', () => {
    expect(inputCheckOf({ trigger: { type: 'trigger.manual' } })).toBeNull();
    expect(inputCheckOf({ trigger: { type: 'trigger.manual', config: {} } })).toBeNull();
    expect(inputCheckOf({ trigger: { type: 'trigger.cron', config: { inputSchema: ORDER } } })).toBeNull();
  });
});

describe('a schema', () => {
  test.each<[string, unknown, string[]]>([
    ['is an object', true, [`${AT} INVALID_VALUE`]],
    ['has known keywords only', { typ: 'object' }, [`${AT}.typ UNKNOWN_KEY`]],
    [
      'has values of the right shape',
      { type: 'text', required: 'a', minItems: -1, multipleOf: 0, anyOf: [] },
      [
        ...[`${AT}.type INVALID_VALUE`, `${AT}.required INVALID_VALUE`, `${AT}.minItems INVALID_VALUE`],
        ...[`${AT}.multipleOf INVALID_VALUE`, `${AT}.anyOf INVALID_VALUE`],
      ],
    ],
    [
      'is checked to its last corner',
      { properties: { a: { items: { not: { typ: 1 } } } } },
      [`${AT}.properties.a.items.not.typ UNKNOWN_KEY`],
    ],
    [
      'T9: holds no regular expression',
      { properties: { a: { pattern: '(a+)+$' } }, patternProperties: { a: true } },
      [...[`${AT}.properties.a.pattern UNSUPPORTED`, `${AT}.patternProperties UNSUPPORTED`]],
    ],
    ['is of the draft 2020-12', { $schema: 'http://json-schema.org/draft-07/schema#' }, [`${AT}.$schema UNSUPPORTED`]],
    ['refers to nothing far away', { $ref: 'https://example.com/schema' }, [`${AT}.$ref INVALID_VALUE`]],
    ['refers to nothing that is not there', { $ref: '#/$defs/toString', $defs: {} }, [`${AT}.$ref INVALID_VALUE`]],
    [
      'does not call itself by another name',
      { $id: 'https://example.com/a', $anchor: 'b' },
      [...[`${AT}.$id UNSUPPORTED`, `${AT}.$anchor UNSUPPORTED`]],
    ],
    [
      'does not refer to itself',
      { $ref: '#/$defs/a', $defs: { a: { properties: { b: { $ref: '#/$defs/a' } } } } },
      [...[`${AT}.$ref UNSUPPORTED`, `${AT}.$defs.a.properties.b.$ref UNSUPPORTED`]],
    ],
    ['has sound definitions, whether used or not', { $defs: { a: { typ: 1 } } }, [`${AT}.$defs.a.typ UNKNOWN_KEY`]],
    ['is of bounded length', { enum: ['x'.repeat(17_000)] }, [`${AT} TOO_LARGE`]],
    [
      'holds a bounded number of schemas',
      { prefixItems: Array.from({ length: 600 }, () => true) },
      [`${AT}.prefixItems[499] TOO_LARGE`],
    ],
  ])('%s', (_what, schema, problems) => {
    expect(problemsOf(schema)).toEqual(problems);
  });

  test('that doubles with every reference is refused at once', () => {
    const names = Array.from({ length: 60 }, (_, index) => `d${index}`);
    const twice = (name: string) => ({ allOf: [{ $ref: `#/$defs/${name}` }, { $ref: `#/$defs/${name}` }] });
    const $defs = Object.fromEntries(names.map((name, index) => [name, twice(names[index + 1] ?? 'd59')]));
    const started = performance.now();
    expect(problemsOf({ ...twice('d0'), $defs }).some((problem) => problem.endsWith('TOO_LARGE'))).toBe(true);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('judging an input', () => {
  const many = (count: number, item: unknown) => Array.from({ length: count }, () => item);
  const wide = { items: { allOf: many(400, { type: 'integer', minimum: 0 }) } };
  const expensive: [string, object, unknown][] = [
    ['many values under many schemas', wide, many(350, 5)],
    ['many values that are all wrong', { contains: { anyOf: many(300, { enum: ['x'.repeat(20)] }) } }, many(350, 'y')],
    ['one long text', { allOf: many(400, { maxLength: 5 }) }, 'é'.repeat(50_000)],
    ['long keys', { allOf: many(100, { additionalProperties: { type: 'null' } }) }, { ['k'.repeat(75_000)]: 1 }],
    ['items to be unique', { uniqueItems: true }, Array.from({ length: 1_000 }, (_, index) => ({ index }))],
    ['numbers of any size', { items: { allOf: many(300, { multipleOf: 1e-300 }) } }, many(500, 1e300)],
  ];

  test.each(expensive)('takes a bounded time: %s', (_what, schema, input) => {
    const check = inputCheckOf(documentWith(schema));
    expect(problemsOf(schema)).toEqual([]);
    const started = performance.now();
    const problems = check?.(input) ?? [];
    expect(problems.map(({ code }) => code)).not.toContain('TOO_LARGE');
    expect(problems.length).toBeLessThanOrEqual(50);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('stops at the first value that is wrong when there are very many', () => {
    const problems = faultsOf({ properties: { a: { items: { type: 'null' } } } }, { a: many(90_000, 1) });
    expect(problems).toEqual(['input.a[0]: The value type "number" is invalid. Expected "null".']);
  });

  test.each<[string, object, unknown]>([
    ['values', wide, many(100_000, 5)],
    ['text', { allOf: many(400, { maxLength: 5 }) }, 'x'.repeat(1_000_000)],
    ['items to compare', { uniqueItems: true }, many(5_000, {})],
    ['faults', { properties: { a: { contains: { type: 'null' } } } }, { a: many(200_000, 1) }],
  ])('is refused when it would take too long: %s', (_what, schema, input) => {
    const started = performance.now();
    expect(faultsOf(schema, input)).toEqual(['input: The input is too large to be held against its schema.']);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
