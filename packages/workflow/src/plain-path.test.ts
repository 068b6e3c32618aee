import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExpressionFault } from './expression-fault.ts';
import { copyResult } from './expression-value.ts';
import type { Json } from './json.ts';
import { evaluateJsonata } from './jsonata.ts';
import { JSONATA_FUNCTIONS } from './jsonata-functions.ts';
import { compilePlain, evaluatePlain } from './plain-path.ts';

/** Few names, so that random paths hit random data; among them every name that means something inside JSONata. */
const NAMES = [
  'a',
  'b',
  'c',
  'length',
  'constructor',
  'toString',
  'tupleStream',
  'sequence',
  'cons',
  'keepSingleton',
  'outerWrapper',
  '_jsonata_function',
  '_jsonata_lambda',
  'then',
  '__proto__',
];

const name = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c') }, fc.constantFrom(...NAMES));

const data: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false, 0, 1, -1, 1.5, '', 'x', 'a'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

const step = fc.oneof(
  { weight: 3, arbitrary: name.map((key) => `.${key}`) },
  name.map((key) => `.\`${key}\``),
  fc.integer({ min: -3, max: 3 }).map((index) => `[${index}]`),
);

const path = fc
  .tuple(fc.constantFrom('$a', '$vars'), fc.array(step, { maxLength: 6 }))
  .map(([root, steps]) => root + steps.join(''));
const literal = fc.oneof(
  fc.string().map((text) => `"${text}"`),
  fc.string().map((text) => `'${text}'`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.constantFrom('true', 'false', 'null', '-0', '0', '007', '-1.50'),
);
const source = fc
  .tuple(fc.oneof({ weight: 5, arbitrary: path }, literal), fc.constantFrom('', ' ', '\n\t'))
  .map(([text, blank]) => blank + text + blank);

/** What an expression comes to as text: its value, the absence of one, or the code of its failure. */
function outcome(value: unknown): string {
  try {
    return value === undefined ? 'no value' : JSON.stringify(copyResult(value, { left: 1e6 }));
  } catch (error) {
    return error instanceof ExpressionFault ? error.code : String(error);
  }
}

test('the fast path gives the same result as JSONata for every plain expression on random data', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(source, data, async (text, value) => {
      const plain = compilePlain(text);
      if (plain === null) {
        return;
      }
      compared += 1;
      const bindings = { a: value, vars: { a: value, b: [value] } };
      const expected = outcome(await evaluateJsonata(text, bindings, { now: 0 }));
      expect(outcome(evaluatePlain(plain, bindings))).toBe(expected);
    }),
    { numRuns: 9000 },
  );
  expect(compared).toBeGreaterThan(5000);
});

test('an expression that is more than a plain path is left to JSONata', () => {
  const declined = [
    '$a.b + 1',
    '$a.*',
    '$a.b[]',
    '$a[$b]',
    '$a . b',
    '$a.and',
    '$a.true',
    '$',
    '$$',
    '$$.a',
    'a.b',
    '$a.$b',
    '$a.b.',
    '$a..b',
    '[0]',
    '.a',
    '',
    '$a[01]',
    '$a[1.5]',
    '"\\n"',
    '1e3',
    '01',
    '$f()',
    '$a@$b',
    '/x/',
    '$a."b"',
    'undefined',
  ];
  for (const text of declined) {
    expect([text, compilePlain(text)]).toStrictEqual([text, null]);
  }
});

test('a plain path never leaves own properties', () => {
  const bindings = { a: { text: 'x', list: [1] } };
  for (const text of [
    '$a.constructor',
    '$a.__proto__',
    '$a.list.length',
    '$a.text.length',
    '$constructor',
    '$__proto__',
  ]) {
    const plain = compilePlain(text);
    expect(plain === null ? 'declined' : evaluatePlain(plain, bindings)).toBeUndefined();
  }
});

test('a name that JSONata binds itself is not taken for a missing value', async () => {
  for (const name of JSONATA_FUNCTIONS) {
    expect([name, compilePlain(`$${name}`)]).toStrictEqual([name, null]);
    expect(await evaluateJsonata(`$exists($${name})`, {}, { now: 0 })).toBe(true);
  }
});
