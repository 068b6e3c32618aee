import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { reportFigure } from '@millrace/shared/testing';
import type { ExpressionRequest, ExpressionResult } from '@millrace/workflow/expression';
import { evaluateJsonata } from '@millrace/workflow/jsonata';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ExpressionPool, openExpressionPool } from './pool.ts';

/**
 * The shapes by which expressions of other platforms reached the process around them, as far as they are public. Each is
 * given to the real evaluator in its child; what it answers must be data or a typed error, and nothing may have changed.
 */
const PAYLOADS: Record<string, string[]> = {
  'the constructor of anything (n8n CVE-2025-68613, CVE-2026-1470)': [
    `(function(){ return this.process.mainModule.require('child_process').execSync('id').toString() })()`,
    `$input.constructor.constructor("return process")()`,
    `{}.constructor.constructor('return process.env')()`,
    `[].constructor.constructor('return this')()`,
    `"".constructor.fromCharCode(99)`,
    `$sum.constructor('return process')()`,
    `$string.implementation.constructor('return globalThis')()`,
    `function($x){$x}.constructor('return process')()`,
    `/a/.constructor.constructor('return process')()`,
    `($f := $string; $f.constructor)`,
  ],
  'arrow functions with a body (n8n CVE-2026-72765)': [
    `(() => { return process })()`,
    `(() => process.env)()`,
    `((x = process) => { x })()`,
    `(async () => { await import('fs') })()`,
    `$map([1], () => { this })`,
  ],
  'spread, computed keys, switch and class (n8n CVE-2026-85165)': [
    `[...process.argv]`,
    `{...process.env}`,
    `{['__proto__']: {"polluted": 1}}`,
    `{["constr" & "uctor"]: 1}["constr" & "uctor"]`,
    `(() => { switch (1) { case process.exit(): 1 } })()`,
    `class X extends Function { constructor() { super('return process') } }`,
    `new (class extends Array.constructor { })('return process')()`,
    `new Function('return process')()`,
  ],
  'names that lead out (n8n CVE-2026-25049, GHSA-9x83)': [
    '$fromAI.constructor',
    '$fromAI("x", "__proto__")',
    '$process.env',
    '$globalThis',
    '$global.process',
    '$require("child_process").execSync("id")',
    '$import("node:fs")',
    '$module.constructor._load("fs")',
    '$fetch("http://127.0.0.1/")',
    '$eval("$sum.constructor")',
    '$env.PATH',
    '$workflow.constructor',
    'Reflect.ownKeys($)',
    'Proxy',
    '`$' + '{process.env}`',
    'this.constructor',
    'process?.env',
    'with (process) { env }',
    'arguments.callee.caller',
    'Error.prepareStackTrace',
    'Symbol.for("x")',
  ],
  'the inside of functions': [
    '$sum.environment',
    '$sum._jsonata_function',
    '($f := function($x) { $x }; $f.body)',
    '($f := function($x) { $x }; $f.environment.bindings)',
    '($f := function($x) { $x }; $lookup($f, "environment"))',
    '($f := function($x) { $x }; $keys($f))',
    '($f := function($x) { $x }; $spread($f))',
    '($f := function($x) { $x }; $each($f, function($v, $k) { $k }))',
    '($f := function($x) { $x }; $merge([$f, {}]))',
    '($f := function($x) { $x }; $f.*)',
    '($f := function($x) { $x }; $f.**)',
    '($f := function($x) { $x }; $string($f))',
    '($f := function($x) { $x }; [$f].input)',
    '($f := function($x) { $x }; $sift($f, function() { true }))',
    '$match("a", /a/).next',
    '($match("a", /a/))[0].constructor',
    '$map([$sum], function($v) { $v.constructor })',
    '$type($sum.prototype)',
    '$clone($sum)',
    '$lookup($sum, "implementation")',
    '[$sum, $string].signature',
  ],
  'keys that reach for a prototype (Node-RED CVE-2021-21297, JSONata CVE-2024-27307)': [
    '{"__proto__": {"polluted": 1}}',
    '{"constructor": {"prototype": {"polluted": 1}}}',
    '{} ~> | __proto__ | {"polluted": 1} |',
    '{} ~> | constructor.prototype | {"polluted": 1} |',
    '$ ~> | $.__proto__ | {"polluted": 1} |',
    '($x := {}; $x ~> | $lookup($x, "__proto__") | {"polluted": 1} |)',
    '$trigger ~> | input.constructor.prototype | {"toString": 1} |',
    '[{"k": "__proto__", "v": {"polluted": 1}}]{k: v}',
    '$merge([{"__proto__": {"polluted": 1}}, {"toString": 1}])',
    '$spread({"__proto__": {"polluted": 1}})',
    '$each({"__proto__": {"polluted": 1}}, function($v, $k) { {$k: $v} })',
    '$reduce([1], function($a, $i) { $merge([$a, {"__proto__": {"polluted": 1}}]) }, {})',
    '($__proto__ := {"polluted": 1}; $__proto__)',
    '($constructor := 1; $constructor)',
    '($toString := function() { 1 }; "" & {})',
    '__proto__.polluted := 1',
    '$sort([{"__proto__": 1}], function($a, $b) { $a.__proto__ > $b.__proto__ })',
    '$distinct([{"__proto__": {"polluted": 1}}, {"__proto__": {"polluted": 1}}])',
    '$zip([{"__proto__": 1}], [1])',
    '$lookup({}, "__proto__")',
    '$lookup({}, "hasOwnProperty")',
    '({})."__defineGetter__"',
    '`__proto__`.`__defineSetter__`("polluted", 1)',
    '$exists(constructor)',
  ],
};

/** Where a value comes from, and what is asked of it: every pair, in every way of asking. */
const BASES = [
  '$',
  '$$',
  '$trigger',
  '$run',
  '$constants',
  '$steps',
  '{}',
  '[]',
  '[1]',
  '"a"',
  '1',
  'true',
  'null',
  '$sum',
];
const BASES_IN_PLACE = ['$string', '$map', '$now', 'function($x){$x}', '/a/', '$match("a", /a/)', '$trigger.input'];
const NAMES = [
  'constructor',
  '__proto__',
  'prototype',
  '__defineGetter__',
  'hasOwnProperty',
  'toString',
  'valueOf',
  'caller',
  'arguments',
  'implementation',
  'environment',
];
const ASKS: ((base: string, name: string) => string)[] = [
  (base, name) => `(${base}).${name}`,
  (base, name) => `(${base}).${name}.${name}`,
  (base, name) => `(${base}).\`${name}\`.constructor("return process")()`,
  (base, name) => `$lookup(${base}, "${name}")`,
  (base, name) => `(${base}) ~> | ${name} | {"polluted": 1} |`,
  (base, name) => `{"${name}": ${base}}.${name}.${name}`,
  (base, name) => `$map(${base}, function($v) { $v.${name} })`,
  (base, name) => `((${base})[${name}]).${name}`,
];
const COMBINED = [...BASES, ...BASES_IN_PLACE].flatMap((base) =>
  NAMES.flatMap((name) => ASKS.map((ask) => ask(base, name))),
);

const PROTOTYPES = [Object, Array, String, Number, Boolean, Function, RegExp, Promise, Map, Set, Error];
const snapshot = () =>
  PROTOTYPES.map((type) => [type.name, Object.getOwnPropertyNames(type.prototype), Object.getOwnPropertyNames(type)]);
const CANARY = 'canary-of-the-environment';
/** What only somebody outside the data could know. */
const OUTSIDE = new RegExp(
  [CANARY, process.version, process.execPath, process.cwd(), '\\[native code\\]'].map(literally).join('|'),
);

let pool: ExpressionPool;
const started: ChildProcess[] = [];
const remember = (message: unknown) => started.push((message as { process: ChildProcess }).process);

beforeAll(() => {
  process.env.EXPRESSION_CANARY = CANARY;
  subscribe('child_process', remember);
  pool = openExpressionPool({ size: 1, deadlineMs: 10_000 });
});
afterAll(async () => {
  unsubscribe('child_process', remember);
  await pool.close();
  delete process.env.EXPRESSION_CANARY;
});

test.each(Object.entries(PAYLOADS))('reaches nothing and changes nothing: %s', async (_name, sources) => {
  const before = snapshot();
  for (const source of sources) {
    expectHarmless(source, await pool.evaluate(requestFor(source)));
    await expectUntouchedChild(source);
  }
  expect(snapshot()).toEqual(before);
});

test('neither does any pair of a value and a name that leads to its inside', async () => {
  const before = snapshot();
  for (let from = 0; from < COMBINED.length; from += 50) {
    const sources = COMBINED.slice(from, from + 50);
    const results = await Promise.all(sources.map((source) => pool.evaluate(requestFor(source))));
    for (const [index, result] of results.entries()) expectHarmless(sources[index] ?? '', result);
    await expectUntouchedChild(sources.join('\n'));
  }
  expect(snapshot()).toEqual(before);
});

/** The guards of the evaluator hold by themselves; the child around it is the second wall. */
test('nor in a process without the walls of the child', async () => {
  const before = snapshot();
  const sources = [...Object.values(PAYLOADS).flat(), ...COMBINED];
  const { bindings } = requestFor('1');
  for (const source of sources) {
    const outcome = await evaluateJsonata(source, bindings, { now: 0 }).then(
      (value) => ({ value }),
      (error: { code?: string }) => ({ code: error.code }),
    );
    if ('code' in outcome) expect(outcome.code, source).toMatch(/^EXPRESSION_/);
    else expect(outcome.value, source).not.toBe(process);
    expect(Object.prototype, source).not.toHaveProperty('polluted');
  }
  expect(snapshot()).toEqual(before);
});

test('one child did all of it: none died, and none was started by an expression', () => {
  expect(started).toHaveLength(1);
  expect(started[0]?.exitCode).toBeNull();
  const count = Object.values(PAYLOADS).flat().length + COMBINED.length;
  expect(count).toBeGreaterThan(1_500);
  reportFigure('Expression escapes', `${count} payloads, 0 reached the process, 0 prototypes changed, 0 children lost`);
});

function requestFor(source: string): ExpressionRequest {
  const data = { type: 'trigger.manual', input: { text: 'a', list: [1, { b: 2 }] }, at: '2026-01-01T00:00:00.000Z' };
  const run = { id: 'run', workflowId: 'workflow', version: 1, startedAt: '2026-01-01T00:00:00.000Z' };
  const bindings = { trigger: data, run, constants: {}, steps: {} };
  return { templates: { value: `{% ${source} %}` }, path: 'config', bindings, now: 0, seed: 'run:step' };
}

function expectHarmless(source: string, result: ExpressionResult): void {
  if (!result.ok) expect(result.error.code, source).toMatch(/^EXPRESSION_/);
  const text = JSON.stringify(result.ok ? result.value : result.error.message);
  expect(text, source).not.toMatch(OUTSIDE);
  // A function or its inside would have come as one of these.
  expect(text, source).not.toMatch(/_jsonata_|"implementation":|"environment":|uid=\d/);
}

/** A prototype that was changed would show in every object of the child. */
async function expectUntouchedChild(source: string): Promise<void> {
  const probe =
    '{"polluted": {}.polluted, "text": "" & {"a": 1}, "keys": $keys({"a": 1}), "in": $exists({"b": 1}.polluted), "spread": $spread({"c": 1})}';
  const result = await pool.evaluate(requestFor(probe));
  expect(result, source).toEqual({
    ok: true,
    value: { value: { text: '{"a":1}', keys: 'a', in: false, spread: { c: 1 } } },
  });
}

function literally(text: string): string {
  return text.startsWith('\\') ? text : text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
