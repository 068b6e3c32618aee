import fc from 'fast-check';
import jsonata from 'jsonata';
import { expect, test } from 'vitest';
import { parseExpression } from './jsonata.ts';
import { countDefaultNesting, MAX_DEFAULT_NESTING } from './parse-cost.ts';

test('defaults nested on their left side are counted, everything else is not', () => {
  expect(countDefaultNesting('a')).toBe(0);
  expect(countDefaultNesting('a ?? b ?? c ?? d')).toBe(1);
  expect(countDefaultNesting('a ?? (b ?? (c ?? d))')).toBe(1);
  expect(countDefaultNesting('((a ?? b) ?? c) ?? d')).toBe(3);
  expect(countDefaultNesting('$f($f(a ?: b) ?: c)')).toBe(2);
  expect(countDefaultNesting('{ "a": (x ?? 1), "b": [y ?? 2] ?? 3 }')).toBe(2);
});

test('strings, comments and regular expressions hide nothing and add nothing', () => {
  expect(countDefaultNesting('"((a ?? b) ?? c)" ?? \'?? ??\' & `a ?? b`')).toBe(1);
  expect(countDefaultNesting('/* ) ?? ( */ a ?? b')).toBe(1);
  expect(countDefaultNesting('$replace(a, /["?]?/, "x") ?? b')).toBe(1);
  expect(countDefaultNesting('(a / 2 ?? b) ?? "/"')).toBe(2);
  expect(countDefaultNesting('$match(a, /"/) & (b ?? c) ?? "d"')).toBe(2);
});

test('a wide mapping with many defaults is not taken for a deep one', () => {
  const entries = Array.from({ length: 60 }, (_, index) => `"k${index}": ($trigger.a / 100 ?? 0) & "x/y"`);
  expect(() => parseExpression(`{ ${entries.join(', ')} }`)).not.toThrow();
});

test('every nested construct of the language is parsed or refused in a moment', () => {
  const wrappers = [
    ['(', ' ?? a)'],
    ['(', ' ?: a)'],
    ['$f(', ') ?? a'],
    ['$f(/x/, ', ') ?? a'],
    ['(*/2; ', ') ?? a'],
    ['[', '] ?: a'],
    ['{"a": ', '} ?? a'],
    ['a[', '] ?? a'],
    ['a.(', ') ?? a'],
    ['a.(', ')'],
    ['a^(', ')'],
    ['(', ' ? a : b)'],
    ['(a ? ', ' : b)'],
    ['function($x){', '}'],
    ['function($x){', '}(1) ?? a'],
    ['|a|', '|'],
    ['(', ' ~> $f)'],
    ['a{', ': 1}'],
    ['-(', ')'],
    ['($x := ', ')'],
    ['$f(?, ', ')'],
    ['a.{"b": %.', '}'],
    ['(a@$v.', ')'],
    ['("\\"" & ', ') ?? "("'],
    ['(`)` . ', ') ?? `(`'],
  ] as const;
  for (const [open, close] of wrappers) {
    const source = `${open.repeat(40)}a${close.repeat(40)}`;
    const started = performance.now();
    try {
      parseExpression(source);
    } catch {
      // Refusing is as good as parsing.
    }
    expect([open, close, performance.now() - started < 2000]).toEqual([open, close, true]);
  }
});

test('what the count lets through is never copied more often than it says', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ' ?? ',
    ' ?: ',
    'a',
    '"x"',
    '/',
    '/y/',
    '*',
    '%',
    ',',
    ';',
    ':',
    '$f(',
    '.',
    '-',
    ' and ',
    "'",
    '`',
    '/*',
    '*/',
    '1',
    '~>',
    '|',
    '\\',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const source = pieces.join('');
      let tree: unknown;
      try {
        tree = jsonata(source).ast();
      } catch {
        return;
      }
      const copies = [...JSON.stringify(tree).matchAll(/"value":"exists"|"type":"condition"/g)].length;
      const written = source.match(/\?[?:]/g)?.length ?? 0;
      expect(copies).toBeLessThanOrEqual(2 * written * 2 ** Math.max(0, countDefaultNesting(source) - 1));
    }),
    { numRuns: 4000 },
  );
  expect(MAX_DEFAULT_NESTING).toBeLessThan(6);
});
