import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addNode, connect, disconnect, type Edit, removeNode, renameNode, setConfig } from './edit.ts';
import { listGraphs, readOutline } from './outline.ts';
import { analyzeExpression } from './references.ts';
import { renameIn, renameReferences, renamingOf } from './rename-references.ts';
import { validateDefinition } from './validate.ts';

const node = (id: string, value: unknown = 1) => ({ id, type: 'transform', config: { value } });
const document = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  constants: { untouched: { deep: [1] } },
  nodes: [
    node('a'),
    {
      id: 'each',
      type: 'foreach',
      config: {
        items: '{% $steps.a.output %}',
        body: { nodes: [node('x'), node('y', '{% $steps.x.output & $steps.a.output %}')] },
      },
    },
    node('b', ['{% $steps.a.output %}', 'text about $steps.a']),
  ],
  output: '{% $steps.a.output %}',
  settings: { onFailure: { nodes: [node('f', '{% $steps.a.status %}'), node('g')] } },
};

function done(edit: Edit): Record<string, unknown> {
  if (!edit.ok) {
    throw new Error(edit.problem.code);
  }
  return edit.document;
}
const codeOf = (edit: Edit) => (edit.ok ? 'ok' : edit.problem.code);
const rename = (from: string, to: string) => renamingOf(new Map([[from, to]]), listGraphs(readOutline(document)));
const isValid = (input: unknown) => validateDefinition(input, { allowLater: true }).ok;

test('a node is added to the run, to the body of a loop, or to what runs after a failure', () => {
  const run = done(addNode(document, node('c'), { in: 'run' }));
  const loop = done(addNode(run, node('z', '{% $item %}'), { in: 'loop', loopId: 'each' }));
  const all = done(addNode(loop, node('h', '{% $error.code %}'), { in: 'onFailure' }));
  expect(isValid(all)).toBe(true);
  expect(all).toMatchObject({
    nodes: [{}, { config: { body: { nodes: [{}, {}, { id: 'z' }] } } }, {}, { id: 'c' }],
    settings: { onFailure: { nodes: [{}, {}, { id: 'h' }] } },
  });
});

test('an id is taken wherever a node has it, and a place must exist', () => {
  expect(['a', 'x', 'f'].map((id) => codeOf(addNode(document, node(id), { in: 'run' })))).toEqual([
    'DUPLICATE_ID',
    'DUPLICATE_ID',
    'DUPLICATE_ID',
  ]);
  expect(codeOf(addNode(document, node('n'), { in: 'loop', loopId: 'a' }))).toBe('UNKNOWN_NODE');
  expect(codeOf(addNode({}, node('n'), { in: 'onFailure' }))).toBe('UNKNOWN_NODE');
  expect(done(addNode({}, node('n'), { in: 'run' }))).toEqual({ nodes: [node('n')] });
});

test('a removed node takes its edges along, and a chain closes over it', () => {
  const linked = done(connect(done(disconnect(document, { from: 'a', to: 'each' })), { from: 'a', to: 'b' }));
  const removed = done(removeNode(linked, 'each'));
  expect(removed).toMatchObject({ nodes: [{ id: 'a' }, { id: 'b' }], edges: [{ from: 'a', to: 'b' }] });
  expect(done(removeNode(document, 'each'))).not.toHaveProperty('edges');
  expect(codeOf(removeNode(document, 'nobody'))).toBe('UNKNOWN_NODE');
});

test('edges are added and removed in every graph; a chain is written out first', () => {
  const more = done(
    connect(done(addNode(document, node('z'), { in: 'loop', loopId: 'each' })), {
      from: 'x',
      to: 'z',
      branch: 'error',
    }),
  );
  expect(more).toMatchObject({
    nodes: [
      {},
      {
        config: {
          body: {
            edges: [
              { from: 'x', to: 'y' },
              { from: 'y', to: 'z' },
              { from: 'x', to: 'z', branch: 'error' },
            ],
          },
        },
      },
      {},
    ],
  });
  expect(codeOf(disconnect(more, { from: 'x', to: 'z' }))).toBe('UNKNOWN_EDGE');
  expect(done(disconnect(more, { from: 'x', to: 'z', branch: 'error' }))).toMatchObject({
    nodes: [
      {},
      {
        config: {
          body: {
            edges: [
              { from: 'x', to: 'y' },
              { from: 'y', to: 'z' },
            ],
          },
        },
      },
      {},
    ],
  });
  expect(codeOf(connect(document, { from: 'a', to: 'each' }))).toBe('DUPLICATE_EDGE');
  expect(codeOf(connect(document, { from: 'a', to: 'x' }))).toBe('UNKNOWN_NODE');
});

test('the config of a node is replaced in every graph', () => {
  const config = { value: 'new' };
  expect(done(setConfig(document, 'g', config))).toMatchObject({
    settings: { onFailure: { nodes: [{}, { config }] } },
  });
  expect(done(setConfig(document, 'x', config))).toMatchObject({
    nodes: [{}, { config: { body: { nodes: [{ config }, {}] } } }, {}],
  });
});

test('a renamed node keeps its edges and everybody who reads it, in every graph, and text stays as it is', () => {
  const linked = done(connect(document, { from: 'a', to: 'b' }));
  const renamed = done(renameNode(linked, 'a', 'my-step'));
  expect(isValid(renamed)).toBe(true);
  expect(renamed).toMatchObject({
    nodes: [
      { id: 'my-step' },
      {
        config: {
          items: '{% $steps.`my-step`.output %}',
          body: { nodes: [{}, { config: { value: '{% $steps.x.output & $steps.`my-step`.output %}' } }] },
        },
      },
      { config: { value: ['{% $steps.`my-step`.output %}', 'text about $steps.a'] } },
    ],
    edges: [
      { from: 'my-step', to: 'each' },
      { from: 'each', to: 'b' },
      { from: 'my-step', to: 'b' },
    ],
    output: '{% $steps.`my-step`.output %}',
    settings: { onFailure: { nodes: [{ config: { value: '{% $steps.`my-step`.status %}' } }, {}] } },
  });
  expect(done(renameNode(renamed, 'my-step', 'a'))).toEqual(linked);
  expect(['b', 'x', 'f'].map((id) => codeOf(renameNode(document, 'a', id)))).toEqual([
    'DUPLICATE_ID',
    'DUPLICATE_ID',
    'DUPLICATE_ID',
  ]);
  expect([codeOf(renameNode(document, 'nobody', 'n')), codeOf(renameNode(document, 'a', '1'))]).toEqual([
    'UNKNOWN_NODE',
    'INVALID_VALUE',
  ]);
});

test.each([
  ['{% $steps.a %}', '{% $steps.b %}'],
  ['{% $steps.a.a.`a` & a %} $steps.a', '{% $steps.b.a.`a` & a %} $steps.a'],
  ['{% $steps.`a`.output %}', '{% $steps.b.output %}'],
  ['{% $steps."a".output & $steps . \'a\' .error %}', '{% $steps.b.output & $steps . b .error %}'],
  ['{% "a" & $steps."\\u0061".n & "a".$steps."a" %}', '{% "a" & $steps.b.n & "a".$steps."a" %}'],
  ['{% "$steps.a" & \'$steps.a\' & $steps.a %}', '{% "$steps.a" & \'$steps.a\' & $steps.b %}'],
  ['{% /* $steps.a */ $steps . a /* x */ .output %}', '{% /* $steps.a */ $steps . b /* x */ .output %}'],
  ['{% $match($steps.a.output, /\\$steps.a/) %}', '{% $match($steps.b.output, /\\$steps.a/) %}'],
  ['{% $steps.a.output ?? $steps.a.error ?? "a" %}', '{% $steps.b.output ?? $steps.b.error ?? "a" %}'],
  ['{% ($steps.a ? $steps.a : $steps.aa).a[0] %}', '{% ($steps.b ? $steps.b : $steps.aa).a[0] %}'],
  [
    '{% $map($steps.a.output, function($v) { $v.a + $steps.a.n }) %}',
    '{% $map($steps.b.output, function($v) { $v.a + $steps.b.n }) %}',
  ],
  [
    '{% $steps.a.output[$steps.a.n = 1]^(>a){ a: $steps.a.output } %}',
    '{% $steps.b.output[$steps.b.n = 1]^(>a){ a: $steps.b.output } %}',
  ],
  [
    '{% { "a": [$steps.a, -$steps.a.n], "n": $steps.a.n in $steps.a.l } %}',
    '{% { "a": [$steps.b, -$steps.b.n], "n": $steps.b.n in $steps.b.l } %}',
  ],
  ['{% $steps.a.output.{ "x": a, "y": %.a } ~> $count() %}', '{% $steps.b.output.{ "x": a, "y": %.a } ~> $count() %}'],
  ['{% $steps.a %} and {% $steps.a + %} and {% $steps.a', '{% $steps.b %} and {% $steps.a + %} and {% $steps.a'],
])('renaming a to b in %s touches references alone', (text, expected) => {
  expect(renameReferences(text, rename('a', 'b'))).toBe(expected);
});

test('a tree without the name is answered as it is', () => {
  const tree = { x: ['{% $steps.c %}', { y: 'a' }], __proto__: null };
  expect(renameReferences(tree, rename('a', 'b'))).toBe(tree);
  expect(renameIn(document, rename('nobody', 'b'))).toBe(document);
});

test('a rename changes expressions where they are evaluated and nowhere else', () => {
  const text = '{% $steps.a.output %}';
  const given = {
    version: 'v2',
    trigger: { type: 'trigger.manual', config: { inputSchema: { description: text } } },
    constants: { text },
    nodes: [
      { ...node('a'), name: text },
      { id: 'join', type: 'parallel.join', config: { mode: text, [text]: text } },
      {
        id: 'again',
        type: 'repeat',
        config: { until: text, maxTimes: 2, as: text, body: { nodes: [node('x', { [text]: text })], output: text } },
      },
      { id: 'other', type: 'connector.action', config: { body: { nodes: [{ id: 'a', config: text }] } }, note: text },
    ],
    output: [text],
    settings: { concurrency: { limit: 1, key: text, whenFull: text }, onFailure: { nodes: [node('f', text)] } },
  };
  const read = '{% $steps.b.output %}';
  expect(done(renameNode(given, 'a', 'b'))).toStrictEqual({
    ...given,
    nodes: [
      { ...node('b'), name: text },
      { id: 'join', type: 'parallel.join', config: { mode: text, [text]: read } },
      {
        id: 'again',
        type: 'repeat',
        config: { until: read, maxTimes: 2, as: text, body: { nodes: [node('x', { [text]: read })], output: read } },
      },
      { id: 'other', type: 'connector.action', config: { body: { nodes: [{ id: 'a', config: read }] } }, note: text },
    ],
    output: [read],
    settings: { concurrency: { limit: 1, key: read, whenFull: text }, onFailure: { nodes: [node('f', read)] } },
  });
});

test('a key of the output of a join is renamed with the step that leads to it, where a path names it literally', () => {
  const join = { id: 'j', type: 'parallel.join', config: { mode: 'all' } };
  const each = {
    id: 'each',
    type: 'foreach',
    config: { items: [], body: { nodes: [node('y', '{% $steps.j.output.a %}')] } },
  };
  const renamed = (source: string, edges: object[]) => {
    const nodes = [node('a'), node('b'), join, node('c', `{% ${source} %}`), each];
    const edit = renameNode({ ...document, nodes, edges, output: '{% $steps.j.output.`a` %}' }, 'a', 'my-step');
    const { nodes: all, output } = done(edit) as { nodes: { config: { value: string } }[]; output: string };
    return [all[3]?.config.value.slice(3, -3), output];
  };
  const edges = [
    { from: 'a', to: 'j' },
    { from: 'b', to: 'j' },
    { from: 'j', to: 'c' },
    { from: 'c', to: 'each' },
  ];
  const before =
    '$steps.j.output.a.a & $steps.`j`."output".\'a\'[0] & $steps.j.output[b].a{a: a} & $steps.j.output.(a) & $steps.j.error.a & $steps.j.output@$o.a';
  const after =
    '$steps.j.output.`my-step`.a & $steps.`j`."output".`my-step`[0] & $steps.j.output[b].`my-step`{a: a} & $steps.j.output.(a) & $steps.j.error.a & $steps.j.output@$o.a';
  expect(renamed(before, edges)).toEqual([after, '{% $steps.j.output.`my-step` %}']);
  expect(renamed('$steps.c.output.a', edges)[0]).toBe('$steps.c.output.a');
  expect(renamed(before, edges.slice(1))).toEqual([before, '{% $steps.j.output.`a` %}']);
});

test('whatever the expression, a rename turns exactly the references, and back again', () => {
  const atom = fc.constantFrom(
    '$steps.a',
    '$steps.`a`',
    '$steps."a"',
    '$steps.b1.a',
    '"$steps.a"',
    '$trigger.input.a',
    '1',
    '$steps.a.output[0].a',
    '$steps.a.(a + $steps.a.n)',
  );
  const expression = fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc
        .tuple(tie('any'), fc.constantFrom('+', '&', '??', '=', 'and', '~>', 'in'), tie('any'))
        .map((parts) => parts.join(' ')),
      tie('any').map((inner) => `(${inner})`),
      tie('any').map((inner) => `[${inner}]`),
      tie('any').map((inner) => `$count(${inner})`),
      fc.tuple(tie('any'), tie('any')).map(([left, right]) => `{ "a": ${left}, "b": ${right} }`),
      fc.tuple(tie('any'), tie('any'), tie('any')).map(([test, yes, no]) => `${test} ? ${yes} : ${no}`),
    ),
  })).any;
  const idsOf = (source: string) => analyzeExpression(source).steps.map(({ id }) => id);
  fc.assert(
    fc.property(expression, fc.constantFrom('b', 'in', 'my-step', 'aa'), (source, to) => {
      fc.pre(analyzeExpression(source).problems.length === 0);
      const renamed = String(renameReferences(`{%${source}%}`, rename('a', to))).slice(2, -2);
      expect(idsOf(renamed)).toEqual(idsOf(source).map((id) => (id === 'a' ? to : id)));
      expect(renamed.replaceAll(/"[^"]*"/g, '')).not.toMatch(/\$steps\.(a|`a`)(?![\w`])/);
      const back = String(renameReferences(`{%${renamed}%}`, rename(to, 'a'))).slice(2, -2);
      expect(back).toBe(source.replaceAll(/\$steps\.[`"]a[`"]/g, '$steps.a'));
    }),
    { numRuns: 2000 },
  );
});

test('an edit leaves the document it came of alone and shares what did not change', () => {
  const before = JSON.stringify(document);
  const edited = done(setConfig(document, 'x', { value: 2 }));
  expect(JSON.stringify(document)).toBe(before);
  expect(edited.constants).toBe(document.constants);
  expect(edited.settings).toBe(document.settings);
});
