import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExpressionFault } from './expression-fault.ts';
import { copyResult } from './expression-value.ts';
import { evaluateJsonata } from './jsonata.ts';

const data = { trigger: { input: { text: 'x', list: [1, 2], nested: { a: 1 } } } };

/** The value of an expression as JSON, or the code of its fault; anything else it throws is a hole. */
async function outcome(source: string, bindings: Record<string, unknown> = data): Promise<string> {
  try {
    const value = copyResult(await evaluateJsonata(source, bindings, { now: 0 }), { left: 1e6 });
    return JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    return error instanceof ExpressionFault ? error.code : `HOLE ${String(error)}`;
  }
}

const CODES = ['EXPRESSION_FAILED', 'EXPRESSION_TYPE', 'EXPRESSION_LIMIT', 'EXPRESSION_TIMEOUT', 'EXPRESSION_SYNTAX'];
const PROTOTYPE = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));

test.each([
  '$trigger.input.constructor',
  '$trigger.input.text.constructor',
  '$trigger.input.list.constructor.constructor',
  '$trigger.__proto__.polluted',
  '$trigger.input.`__proto__`.x',
  '$sum.constructor',
  '$sum.implementation',
  '$now.constructor',
  '$lookup($trigger, "constructor")',
  '$lookup($sum, "implementation")',
  '$lookup($, "__proto__")',
  '$trigger.*.constructor.*',
  '(function($x){$x}).environment',
  '(function($x){$x}).constructor',
  '$each($sum, function($v, $k) { $k })',
  '$keys($sum)',
  '$spread($sum)',
  '/a/.constructor',
  '$constructor',
  '$__proto__',
  '$toString',
  '$.constructor',
  '$$.`__proto__`',
])('nothing but own data is reachable: %s', async (source) => {
  expect(['undefined', 'null', '""', '[]', ...CODES]).toContain(await outcome(`$exists(${source}) ? ${source} : null`));
});

test.each([
  '$trigger.input.constructor.constructor("return process")()',
  '$trigger.input.text.constructor("return 1")',
  '$sum.constructor("return process")()',
  '$eval("1 + 1")',
  '$eval("$trigger")',
  '($e := $eval; $e("1"))',
  '$map(["1"], $eval)',
  '"1" ~> $eval()',
  '$apply($sum, [1])',
  '$process.exit(1)',
  '$require("fs")',
  '$globalThis.process',
  '(($f := function() { $f.constructor }); $f()())',
  '$trigger.input.list.map(function($x) { $x })',
  '$reduce([1], $trigger.input.constructor)',
  '$trigger.input{"__proto__": {"polluted": 1}}.polluted()',
  '$clone($sum)()',
  '$string($sum)()',
])('nothing but JSONata is ever called: %s', async (source) => {
  expect(CODES).toContain(await outcome(source));
});

test.each([
  '$merge([{"__proto__": {"polluted": 1}}])',
  '{"__proto__": {"polluted": 1}}',
  '{"constructor": {"prototype": {"polluted": 1}}}',
  '$trigger ~> |$|{"__proto__": {"polluted": 1}}|',
  '$trigger ~> |input.nested|{"constructor": {"polluted": 1}}, ["toString"]|',
  '($__proto__ := {"polluted": 1}; 1)',
  '$trigger.input{"__proto__": $}',
  '$spread({"__proto__": {"polluted": 1}})',
  '$sift({"__proto__": {"polluted": 1}}, function($v) { true })',
  '$zip(["__proto__"], [{"polluted": 1}]).{$[0]: $[1]}',
  '$each({"__proto__": 1}, function($v, $k) { {$k: {"polluted": 1}} })',
])('no expression changes a prototype: %s', async (source) => {
  expect(await outcome(source)).not.toContain('HOLE');
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(PROTOTYPE);
});

test.each<[string, string, string]>([
  ['endless recursion', '($f := function($x) { 1 + $f($x) }; $f(1))', 'EXPRESSION_LIMIT'],
  ['mutual recursion', '($f := function($x) { [$g($x)] }; $g := function($x) { [$f($x)] }; $f(1))', 'EXPRESSION_LIMIT'],
  ['an endless tail loop', '($f := function($x) { $f($x + 1) }; $f(1))', 'EXPRESSION_TIMEOUT'],
  ['a huge range', '[1..9999999]', 'EXPRESSION_LIMIT'],
  ["a range past JSONata's own limit", '[1..1000000000]', 'EXPRESSION_LIMIT'],
  ['ranges multiplied', '[1..400].([1..400])', 'EXPRESSION_LIMIT'],
  ['a list appended to itself', '$reduce([1..40], function($a, $i) { $append($a, $a) }, [1])', 'EXPRESSION_LIMIT'],
  ['a huge $pad', '$pad("x", 100000000)', 'EXPRESSION_LIMIT'],
  ['a huge negative $pad', '"x" ~> $pad(-100000000, "ab")', 'EXPRESSION_LIMIT'],
  ['a doubled string', '$reduce([1..60], function($a, $i) { $a & $a }, "xxxxxxxxxx")', 'EXPRESSION_LIMIT'],
  ['a deep value', '$reduce([1..5000], function($a, $i) { {"a": $a} }, 1)', 'EXPRESSION_LIMIT'],
  ['parser nesting', '('.repeat(4000), 'EXPRESSION_SYNTAX'],
  ['a parse bomb', `${'('.repeat(30)}a${' ?? a)'.repeat(30)}`, 'EXPRESSION_SYNTAX'],
])('%s ends in a moment with a typed fault', async (_name, source, code) => {
  const started = performance.now();
  // On a machine that is slow or busy the limit of time may strike before the other one.
  expect([code, 'EXPRESSION_TIMEOUT']).toContain(await outcome(source));
  expect(performance.now() - started).toBeLessThan(3000);
});

test('a regular expression takes linear time', async () => {
  const text = `${'a'.repeat(5000)}!`;
  const started = performance.now();
  for (const pattern of ['/^(a+)+$/', '/(a|aa)+$/', '/(.*)(.*)(.*)(.*)(.*)[^a!]$/', '/([a-z]+)*$x/']) {
    expect(await outcome(`$contains($t, ${pattern})`, { t: text })).toBe('false');
  }
  expect(performance.now() - started).toBeLessThan(2000);
});

test('regular expressions give what JSONata documents', async () => {
  expect(await outcome('$match("ab12cd3", /([a-z]+)(\\d+)/).{"m": match, "i": index, "g": groups}')).toBe(
    '[{"m":"ab12","i":0,"g":["ab","12"]},{"m":"cd3","i":4,"g":["cd","3"]}]',
  );
  expect(await outcome('$replace("John Smith", /(\\w+)\\s(\\w+)/, "$2, $1")')).toBe('"Smith, John"');
  expect(await outcome('$split("a1b22c", /\\d+/)')).toBe('["a","b","c"]');
  expect(await outcome('$contains("ABC", /b/i)')).toBe('true');
  expect(await outcome('$match("é😀b", /b/).index')).toBe('3');
  expect(await outcome('"ab" ~> /b/ ~> $exists()')).toBe('true');
});

test('linear and native regular expressions agree on ordinary patterns', async () => {
  const { createLinearRegExp } = await import('./regex-engine.ts');
  const piece = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    '\\s',
    '\\b',
    '(a|b)',
    '(b)?',
    'a*',
    'b+?',
    '^',
    '$',
    '(?:ab)',
    '\\.',
    'a{1,2}',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('g', 'gi', 'gm'),
      fc.array(fc.constantFrom('a', 'b', 'A', '1', ' ', '\n', '.', 'é'), { maxLength: 8 }),
      (pieces, flags, letters) => {
        const pattern = new RegExp(pieces.join(''), flags);
        const text = letters.join('');
        const linear = createLinearRegExp(pattern);
        for (let round = 0; round < 3; round += 1) {
          const expected = pattern.exec(text);
          const found = linear.exec(text);
          expect(found?.index).toBe(expected?.index);
          expect(found?.map((group) => group ?? null)).toEqual(
            expected === null ? undefined : Array.from(expected, (group) => group ?? null),
          );
          expect(linear.lastIndex).toBe(pattern.lastIndex);
          if (expected === null) {
            break;
          }
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("$pad keeps JSONata's meaning", async () => {
  expect(
    await outcome('[$pad("foo", 5), $pad("foo", -5, "#"), $pad("foo", 2), $pad("", 4, "ab"), $pad("😀", 3, "é")]'),
  ).toBe('["foo  ","##foo","foo","abab","😀éé"]');
  expect(await outcome('$trigger.input.text.$pad(3)')).toBe('"x  "');
});

test('wide mappings fit under the guards', async () => {
  const entries = Array.from(
    { length: 120 },
    (_, index) => `"k${index}": $trigger.input.text & ($trigger.input.n ?? "-")`,
  );
  expect(await outcome(`{ ${entries.join(', ')} }`)).toContain('"k119":"x-"');
});

test('random expressions end with a value or a typed fault and change no prototype', async () => {
  const piece = fc.constantFrom(
    '$trigger',
    '.input',
    '.list',
    '.constructor',
    '.`__proto__`',
    '[0]',
    '[]',
    '(',
    ')',
    '{"a": ',
    '}',
    '$sum(',
    '$map(',
    'function($x){',
    '$x',
    ',',
    ' ?? ',
    '1',
    '"s"',
    '/a+/',
    ' & ',
    ' ~> ',
    '$eval(',
    '$merge([',
    ']',
    '|$|',
    '|',
    '$string(',
    '**',
    '.*',
    '%',
    '@$y',
    '#$i',
    '^(',
    ':=',
    '$v',
    '; ',
    '$now()',
    '$random()',
    '..',
    '5',
    '-',
    ' in ',
    '? 1 : 2',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 9 }), async (pieces) => {
      expect(await outcome(pieces.join(''))).not.toContain('HOLE');
    }),
    { numRuns: 5000 },
  );
  expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(PROTOTYPE);
}, 60_000);
