import { graphAt } from '@millrace/workflow/edit';
import { addStep } from '@millrace/workflow/edit-steps';
import { evaluateExpressions } from '@millrace/workflow/expression';
import { isLaterKind, KIND_NAMES } from '@millrace/workflow/steps/registry';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { completionsAt } from './completions.ts';
import { pairsOf, parseField, printField, recordOf, withField } from './field-value.ts';
import { fieldsOfKind, humanize } from './fields.ts';
import { fieldsOfTrigger, optionsOf, TRIGGER_TYPES, triggerWith } from './node-fields.ts';
import { isTestable, kindOf, newStep, OFFERED_KINDS } from './node-kinds.ts';
import { hasExpressions, missingSamples, printPreview, toPreview } from './preview.ts';
import { bindingsFor, loopsAround, sampleOf, stepsBefore } from './samples.ts';

const controls = (type: string) => Object.fromEntries(fieldsOfKind(type).map(({ key, control }) => [key, control]));

it('the fields of a step are those of its schema', () => {
  expect(controls('http.request')).toEqual({
    method: 'select',
    url: 'template',
    headers: 'record',
    query: 'record',
    body: 'value',
    responseType: 'select',
  });
  expect(controls('condition')).toEqual({ if: 'expression' });
  expect(controls('transform')).toEqual({ value: 'value' });
  expect(controls('switch')).toEqual({ cases: 'list' });
  expect(fieldsOfKind('switch')[0]?.fields.map(({ key, control }) => [key, control])).toEqual([
    ['name', 'text'],
    ['if', 'expression'],
  ]);
  expect(controls('parallel.join')).toEqual({ mode: 'select', count: 'number', cancelRest: 'boolean' });
  expect(controls('foreach')).toEqual({ items: 'value', as: 'text', onItemError: 'select', concurrency: 'number' });
  expect(controls('approval')).toEqual({ by: 'select', note: 'template', timeoutMs: 'number' });
  expect(fieldsOfKind('approval')[0]).toMatchObject({ takesOther: true, options: ['member', 'admin', 'owner'] });
  expect(fieldsOfKind('nothing')).toEqual([]);
  expect(humanize('onItemError')).toBe('On item error');
});

it('every kind that can be published is offered, with words of its own and a first config that shows its fields', () => {
  expect(OFFERED_KINDS.map(({ type }) => type).toSorted()).toEqual(
    KIND_NAMES.filter((type) => !isLaterKind(type)).toSorted(),
  );
  const empty = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [] };
  for (const { type, label } of OFFERED_KINDS) {
    const step = newStep(empty, type);
    const added = addStep(empty, step, { in: 'run' }, { at: 'loose' });
    expect(added.ok && graphAt(added.document, { in: 'run' })?.nodes[0]?.id, label).toBe(step.id);
    expect(fieldsOfKind(type).length, label).toBeGreaterThan(0);
  }
  expect(['transform', 'http.request', 'foreach', 'delay', 'nothing'].map(isTestable)).toEqual([
    ...[true, true, false, false, false],
  ]);
  expect(kindOf('connector.action').label).toBe('connector.action');
});

it('options that a kind refuses are not offered', () => {
  expect(optionsOf('http.request').map(({ key }) => key)).toEqual([
    'name',
    'onError',
    'retry',
    'timeoutMs',
    'idempotency',
  ]);
  expect(optionsOf('foreach').map(({ key }) => key)).toEqual(['name', 'onError']);
  for (const type of ['delay', 'transform', 'condition', 'subworkflow'])
    expect(optionsOf(type).map(({ key }) => key)).toEqual(['name', 'onError', 'retry']);
  for (const type of ['parallel.join', 'wait.webhook'])
    expect(optionsOf(type).map(({ key }) => key)).toEqual(['name', 'onError']);
  expect(
    optionsOf('http.request')
      .find(({ key }) => key === 'retry')
      ?.fields.map(({ key }) => key),
  ).toContain('maxAttempts');
  expect(TRIGGER_TYPES.map(({ type }) => fieldsOfTrigger(type).length)).toEqual([1, 3, 3]);
  expect(triggerWith('trigger.cron', {})).toEqual({ type: 'trigger.cron', config: {} });
  expect(triggerWith('trigger.manual', {})).toEqual({ type: 'trigger.manual' });
});

it('an option that is refused can still be removed where it is written', () => {
  const written = { id: 'a', type: 'transform', timeoutMs: 5 };
  expect(optionsOf('transform', written).map(({ key }) => key)).toEqual(['name', 'onError', 'retry', 'timeoutMs']);
});

it('any value of a field is printed and read back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (given) => {
      const value: unknown = JSON.parse(JSON.stringify(given)); // JSON has no -0
      const parsed = parseField({ control: 'value', takesNumber: false }, printField({ control: 'value' }, value));
      const isBlank = typeof value === 'string' && value.trim() === '';
      if (!isBlank) expect(parsed).toEqual({ ok: true, value });
    }),
  );
  expect(parseField({ control: 'value', takesNumber: false }, '{ "a": ')).toMatchObject({ ok: false });
  expect(parseField({ control: 'value', takesNumber: false }, '{% $a %}')).toEqual({ ok: true, value: '{% $a %}' });
});

it('an expression stands in its field without marks, and a number that looks like one is one', () => {
  const expression = { control: 'expression', takesNumber: false } as const;
  expect(printField(expression, '{% $item.paid %}')).toBe('$item.paid');
  expect(parseField(expression, ' $item.paid ')).toEqual({ ok: true, value: '{% $item.paid %}' });
  expect(parseField(expression, '{% $item %}')).toEqual({ ok: true, value: '{% $item %}' });
  expect(parseField(expression, 'true')).toEqual({ ok: true, value: true });
  expect(printField(expression, 'a {% 1 %} b')).toBe('a {% 1 %} b');
  expect(parseField({ control: 'template', takesNumber: true }, '500')).toEqual({ ok: true, value: 500 });
  expect(parseField({ control: 'text', takesNumber: true }, '3')).toEqual({ ok: true, value: 3 });
  expect(parseField({ control: 'template', takesNumber: true }, 'PT5S')).toEqual({ ok: true, value: 'PT5S' });
  expect(parseField({ control: 'number', takesNumber: true }, 'x')).toMatchObject({ ok: false });
  expect(parseField({ control: 'text', takesNumber: false }, ' ')).toEqual({ ok: true, value: undefined });
});

it('pairs keep the types of what was not touched', () => {
  const before = { page: 2, tag: ['a', 'b'] };
  expect(pairsOf(before)).toEqual([
    ['page', '2'],
    ['tag', '["a","b"]'],
  ]);
  expect(recordOf([...pairsOf(before), ['q', '7'], ['', 'lost']], before)).toEqual({ ...before, q: '7' });
  expect(recordOf([], before)).toBeUndefined();
  expect(withField({ a: 1 }, 'a', undefined)).toEqual({});
  expect(withField(undefined, 'a', 1)).toEqual({ a: 1 });
});

const value = (id: string, of: unknown = 1) => ({ id, type: 'transform', config: { value: of } });
const DOCUMENT = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  constants: { currency: 'EUR' },
  nodes: [
    value('a'),
    {
      id: 'each',
      type: 'foreach',
      config: {
        items: '{% $steps.a.output.rows %}',
        as: 'row',
        body: { nodes: [value('x'), value('y')] },
      },
    },
    value('b'),
  ],
};
const SAMPLES = { input: { total: 5 }, outputs: { a: { rows: [{ price: 3 }], 'my key': 1 } }, vars: { region: 'eu' } };
const NOW = new Date('2026-01-01T00:00:00Z');

it('an expression is completed by the values that earlier steps really had', () => {
  const sample = sampleOf(bindingsFor(DOCUMENT, 'y', SAMPLES, NOW));
  const labels = (text: string, bare = false) =>
    completionsAt(text, text.length, sample, bare)?.options.map(({ label }) => label) ?? null;
  expect(stepsBefore(DOCUMENT, 'y')).toEqual(['x', 'a']);
  expect(labels('{% $steps.')).toEqual(['x', 'a']);
  expect(labels('{% $steps.a.output.')).toEqual(['rows', '`my key`']);
  expect(labels('{% $sum($steps.a.output.rows.pr')).toEqual(['price']);
  expect(labels('{% $row.')).toEqual(['price']);
  expect(labels('$trigger.input.t', true)).toEqual(['total']);
  expect(labels('{% $')).toEqual(
    expect.arrayContaining(['$trigger', '$steps', '$constants', '$row', '$rowIndex', '$sum(']),
  );
  expect(labels('{% 1 %} $steps.')).toBeNull();
  expect(labels('text')).toBeNull();
  expect(completionsAt('{% $vars.re', 11, sample, false)).toEqual({
    from: 9,
    options: [{ label: 'region', detail: '"eu"' }],
  });
});

it('a preview shows the value, the error, or which samples are missing', async () => {
  const bindings = bindingsFor(DOCUMENT, 'y', SAMPLES, NOW);
  const evaluate = async (templates: string) =>
    toPreview(await evaluateExpressions({ templates, path: '', bindings, now: 0, seed: '' }));
  expect(await evaluate('{% $row.price * 2 %}')).toEqual({ type: 'value', value: 6 });
  expect(await evaluate('{% $row.price & %}')).toMatchObject({ type: 'error' });
  expect(missingSamples('{% $steps.x.output + $steps.a.output %}', bindings)).toEqual(['x']);
  expect(hasExpressions({ a: ['{% 1 %}'] })).toBe(true);
  expect(hasExpressions('text')).toBe(false);
  expect(printPreview('x'.repeat(500))).toHaveLength(241);
});

it('an item that somebody gives for a loop is what expressions in it read, however deep', () => {
  expect(loopsAround(DOCUMENT, 'y')).toEqual([{ id: 'each', as: 'row' }]);
  expect(loopsAround(DOCUMENT, 'a')).toEqual([]);
  const onFailure = { ...DOCUMENT, settings: { onFailure: { nodes: [value('tell')] } } };
  expect(loopsAround(onFailure, 'tell')).toBeNull();
  const given = bindingsFor(DOCUMENT, 'y', { ...SAMPLES, items: { each: { price: 9 } } }, NOW);
  expect(given.locals).toEqual({ row: { price: 9 }, rowIndex: 0 });
  expect(bindingsFor(DOCUMENT, 'y', SAMPLES, NOW).locals).toEqual({ row: { price: 3 }, rowIndex: 0 });
});
