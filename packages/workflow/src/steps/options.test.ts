import { expect, test } from 'vitest';
import { workflowJsonSchema } from '../json-schema.ts';
import { driveRun, planOf } from '../testing.ts';
import { validateDefinition } from '../validate.ts';
import { unusedOptions } from './options.ts';
import { findKind, KIND_NAMES } from './registry.ts';

const NO_ACTION = ['timeoutMs', 'idempotency'];
const NONE = ['retry', ...NO_ACTION];
const EXPECTED: Record<string, string[]> = {
  'http.request': [],
  ...Object.fromEntries(['condition', 'switch', 'transform', 'respond', 'fail'].map((type) => [type, NO_ACTION])),
  ...Object.fromEntries(['delay', 'approval', 'subworkflow'].map((type) => [type, NO_ACTION])),
  ...Object.fromEntries(['parallel.join', 'wait.webhook', 'foreach', 'repeat'].map((type) => [type, NONE])),
};

const kinds = KIND_NAMES.flatMap((type) => findKind(type) ?? []);
const OPTIONS = { retry: { maxAttempts: 2 }, timeoutMs: 5, idempotency: 'none' };
const inner = { nodes: [{ id: 'x', type: 'transform', config: { value: 1 } }] };
const CONFIGS: Record<string, object> = {
  'http.request': { method: 'GET', url: 'https://example.com' },
  condition: { if: true },
  switch: { cases: [{ name: 'x', if: true }] },
  transform: { value: 1 },
  'parallel.join': { mode: 'all' },
  fail: { message: 'no' },
  foreach: { items: [], body: inner },
  repeat: { until: true, maxTimes: 1, body: inner },
  delay: { for: 1 },
  approval: { by: 'admin' },
  subworkflow: { workflowId: '0197a3c1-5e1f-7cc1-9d0b-6f1c2b3a4d5e' },
};
const documentOf = (type: string, options: object) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    ...inner.nodes.map((node) => ({ ...node, id: 'first' })),
    { id: 'a', type, config: CONFIGS[type] ?? {}, ...options },
  ],
});

test('every kind says which options mean nothing to it', () => {
  expect(Object.fromEntries(kinds.map((kind) => [kind.type, unusedOptions(kind)]))).toEqual(EXPECTED);
});

test.each(KIND_NAMES)(
  'publishing and the JSON Schema refuse on %s what would be ignored, and accept the rest',
  (type) => {
    const code = { foreach: 'LOOP_OPTION', repeat: 'LOOP_OPTION' }[type];
    const otherwise = findKind(type)?.wait === undefined ? 'STEP_OPTION' : 'WAIT_OPTION';
    const refused = EXPECTED[type] ?? [];
    const found = validateDefinition(documentOf(type, OPTIONS));
    expect(found.ok ? [] : found.problems).toEqual(
      refused.map((key) => ({ path: `nodes[1].${key}`, code: code ?? otherwise, message: expect.any(String) })),
    );
    const accepted = Object.entries(OPTIONS).filter(([key]) => !refused.includes(key));
    expect(validateDefinition(documentOf(type, Object.fromEntries(accepted)))).toMatchObject({ ok: true });
    expect(refusedBySchema(type)).toEqual(refused);
  },
);

test('a version that was published before an option was refused still runs', () => {
  for (const type of KIND_NAMES) {
    expect(validateDefinition(documentOf(type, OPTIONS), { isPublished: true })).toMatchObject({ ok: true });
  }
  const impossible = { config: { until: '2026-02-30T00:00:00Z' } };
  expect(validateDefinition(documentOf('delay', impossible))).toMatchObject({ ok: false });
  expect(validateDefinition(documentOf('delay', impossible), { isPublished: true })).toMatchObject({ ok: true });
  expect(validateDefinition(documentOf('delay', { note: 1 }), { isPublished: true })).toMatchObject({ ok: false });
});

test('a kind is literal when every key of its config is', () => {
  const { $defs } = workflowJsonSchema() as { $defs: Record<string, { properties?: object }> };
  for (const { type, literalKeys, isLiteral } of kinds) {
    const keys = Object.keys($defs[`config.${type}`]?.properties ?? {});
    expect([type, isLiteral ?? false]).toEqual([type, keys.every((key) => literalKeys.includes(key))]);
  }
});

test('a wait whose expressions could not be evaluated just now is tried again as its retry says', () => {
  const retry = { maxAttempts: 2, backoffMs: 100, jitter: false };
  const run = driveRun(planOf(documentOf('delay', { retry })));
  run.start();
  run.succeed('first');
  run.fail('a', { code: 'EXPRESSION_UNAVAILABLE', retryable: true });
  expect(run.state().steps.a).toMatchObject({ status: 'waiting', for: 'retry', dueAt: 100 });
});

function refusedBySchema(type: string): string[] {
  const { $defs } = workflowJsonSchema() as { $defs: { Node: { allOf: Record<string, unknown>[] } } };
  const isOfType = ({ if: condition }: Record<string, unknown>) => JSON.stringify(condition).includes(`"${type}"`);
  const rule = $defs.Node.allOf.find(isOfType)?.then as { properties: Record<string, unknown> };
  return Object.entries(rule.properties).flatMap(([key, schema]) => (schema === false ? [key] : []));
}
