import fc from 'fast-check';
import { expect, test } from 'vitest';
import { validateDefinition } from './validate.ts';

const trigger = { type: 'trigger.manual' };
const document = (more: object = {}) => ({ version: 'v2', trigger, nodes: [node('a')], ...more });
const node = (id: string, more: object = {}) => ({ id, type: 'transform', config: { value: 1 }, ...more });
const http = (id: string, more: object = {}, config: object = {}) => ({
  id,
  type: 'http.request',
  config: { method: 'GET', url: 'https://example.com', ...config },
  ...more,
});
const condition = (id: string, value: unknown = '{% true %}') => ({ id, type: 'condition', config: { if: value } });
const join = (id: string, config: object) => ({ id, type: 'parallel.join', config });
const edge = (from: string, to: string, branch?: string) =>
  branch === undefined ? { from, to } : { from, to, branch };

/** The problems of a document as `path CODE`, so that a test shows all of them. */
function problemsOf(input: unknown): string[] {
  const validation = validateDefinition(input);
  return validation.ok ? [] : validation.problems.map(({ path, code }) => `${path} ${code}`.trim());
}

test('the shortest useful document is valid and comes back unchanged', () => {
  const input = {
    version: 'v2',
    trigger,
    nodes: [
      { id: 'fetch', type: 'http.request', config: { method: 'GET', url: '{% $trigger.input.url %}' } },
      { id: 'big', type: 'condition', config: { if: '{% $steps.fetch.output.body.total > 100 %}' } },
      { id: 'sum', type: 'transform', config: { value: { total: '{% $steps.fetch.output.body.total %}' } } },
    ],
    edges: [edge('fetch', 'big'), edge('big', 'sum', 'true')],
  };
  expect(validateDefinition(input)).toEqual({ ok: true, definition: input });
});

test('every option of the language that exists is accepted', () => {
  const input = document({
    constants: { base: 'https://example.com', list: [1, null] },
    output: { all: '{% $steps.end.output %}', from: '{% $constants.base %}' },
    trigger: { type: 'trigger.manual', config: {} },
    nodes: [
      http(
        'a',
        {
          name: 'Fetch it',
          retry: { maxAttempts: 5, backoffMs: 0, factor: 1.5, maxBackoffMs: 10, jitter: false, on: ['NETWORK'] },
          timeoutMs: 1000,
          onError: 'branch',
          idempotency: 'key',
        },
        { headers: { a: 'b', n: 1 }, query: { q: ['x', 1], r: true }, body: { any: [null] }, responseType: 'json' },
      ),
      http('b', { onError: 'continue', idempotency: 'natural' }),
      condition('c', false),
      join('end', { mode: 'count', count: 2, cancelRest: true }),
    ],
    edges: [edge('a', 'end'), edge('a', 'b', 'error'), edge('b', 'end'), edge('c', 'end', 'false')],
  });
  expect(problemsOf(input)).toEqual([]);
});

test.each<[string, unknown, string[]]>([
  ['a document is an object', [], ['INVALID_VALUE']],
  ['a document has a version, a trigger and nodes', {}, ['version REQUIRED', 'trigger REQUIRED', 'nodes REQUIRED']],
  ['only version 2 exists', document({ version: 'v1' }), ['version INVALID_VALUE']],
  ['a document has at least one node', document({ nodes: [] }), ['nodes INVALID_VALUE']],
  [
    'unknown keys are problems everywhere',
    document({ nodes: [node('a', { colour: 1 }), http('b', {}, { verb: 1 })], x: 1 }),
    ['nodes[0].colour UNKNOWN_KEY', 'x UNKNOWN_KEY', 'nodes[1].config.verb UNKNOWN_KEY'],
  ],
  [
    'unknown keys of edges and triggers are problems too',
    document({
      trigger: { ...trigger, when: 1 },
      nodes: [node('a'), node('b')],
      edges: [{ ...edge('a', 'b'), label: 'x' }],
    }),
    ['trigger.when UNKNOWN_KEY', 'edges[0].label UNKNOWN_KEY'],
  ],
  [
    'a key named __proto__ is refused wherever it stands',
    JSON.parse(
      '{"version":"v2","trigger":{"type":"trigger.manual"},"nodes":[{"id":"a","type":"transform","config":{"value":{"__proto__":{"x":1}}}}],"__proto__":1}',
    ),
    ['__proto__ FORBIDDEN_KEY', 'nodes[0].config.value.__proto__ FORBIDDEN_KEY'],
  ],
  [
    'ids start with a letter and have at most 64 characters',
    document({ nodes: [node('1a'), node('a'.repeat(65)), node('ok_-1')] }),
    ['nodes[0].id INVALID_VALUE', 'nodes[1].id INVALID_VALUE'],
  ],
  ['ids are unique', document({ nodes: [node('a'), node('a')] }), ['nodes[1].id DUPLICATE_ID']],
  ['unknown kinds are named', document({ nodes: [node('a', { type: 'teleport' })] }), ['nodes[0].type UNKNOWN_TYPE']],
  ['config is required', document({ nodes: [{ id: 'a', type: 'transform' }] }), ['nodes[0].config REQUIRED']],
  [
    'a config has what its kind needs',
    document({ nodes: [node('a', { config: {} }), { id: 'b', type: 'http.request', config: {} }] }),
    ['nodes[0].config.value REQUIRED', 'nodes[1].config.method REQUIRED', 'nodes[1].config.url REQUIRED'],
  ],
  [
    'a condition is one expression or a boolean',
    document({ nodes: [condition('a', '{% 1 %} > 2')] }),
    ['nodes[0].config.if INVALID_VALUE'],
  ],
  [
    'a delay that is none has the code that it would fail with',
    document({
      nodes: [
        ...[{ until: '2026-02-30T00:00:00Z' }, { until: 'soon' }, { for: 'P1M' }, { for: -1 }, { for: true }],
        ...[{}, { for: 1, until: '2026-05-01T07:00:00Z' }, { for: '{% 1 %}' }],
      ].map((config, index) => ({ id: `d${index}`, type: 'delay', config })),
    }),
    [
      ...['nodes[0].config.until DELAY_INVALID', 'nodes[1].config.until DELAY_INVALID'],
      ...['nodes[2].config.for DELAY_INVALID', 'nodes[3].config.for DELAY_INVALID'],
      ...['nodes[4].config.for DELAY_INVALID', 'nodes[5].config DELAY_INVALID', 'nodes[6].config DELAY_INVALID'],
    ],
  ],
  [
    'retry values have bounds',
    document({
      nodes: [node('a', { retry: { maxAttempts: 0, backoffMs: -1, factor: 0.5, maxBackoffMs: 1e12, on: [] } })],
    }),
    [
      'nodes[0].retry.maxAttempts INVALID_VALUE',
      'nodes[0].retry.backoffMs INVALID_VALUE',
      'nodes[0].retry.factor INVALID_VALUE',
      'nodes[0].retry.maxBackoffMs INVALID_VALUE',
      'nodes[0].retry.on INVALID_VALUE',
    ],
  ],
  [
    'attempts and times are whole numbers',
    document({ nodes: [http('a', { retry: { maxAttempts: 1.5 }, timeoutMs: '5' })] }),
    ['nodes[0].retry.maxAttempts INVALID_VALUE', 'nodes[0].timeoutMs INVALID_VALUE'],
  ],
])('%s', (_name, input, expected) => {
  expect(problemsOf(input)).toEqual(expected);
});

test.each<[string, object, string[]]>([
  ['several nodes need edges', { nodes: [node('a'), node('b')], edges: [] }, ['edges EMPTY_EDGES']],
  [
    'a node beside others has an edge',
    { nodes: [node('a'), node('b'), node('c')], edges: [edge('a', 'b')] },
    ['nodes[2] ISOLATED_NODE'],
  ],
  [
    'edges lead from and to nodes',
    { nodes: [node('a'), node('b')], edges: [edge('a', 'b'), edge('x', 'y')] },
    ['edges[1].from UNKNOWN_NODE', 'edges[1].to UNKNOWN_NODE'],
  ],
  [
    'an edge is written once',
    { nodes: [node('a'), node('b')], edges: [edge('a', 'b'), edge('a', 'b')] },
    ['edges[1] DUPLICATE_EDGE'],
  ],
  [
    'two branches may lead to the same node',
    { nodes: [condition('a'), node('b')], edges: [edge('a', 'b', 'true'), edge('a', 'b', 'false')] },
    [],
  ],
  [
    'cycles are problems',
    { nodes: [node('a'), node('b'), node('c')], edges: [edge('a', 'b'), edge('b', 'c'), edge('c', 'b')] },
    ['edges CYCLE'],
  ],
  [
    'each cycle is a problem of its own',
    { nodes: [node('a'), node('b')], edges: [edge('a', 'a'), edge('b', 'b')] },
    ['edges CYCLE', 'edges CYCLE'],
  ],
  [
    'a branch exists on its source',
    { nodes: [condition('a'), node('b'), node('c')], edges: [edge('a', 'b', 'yes'), edge('b', 'c', 'true')] },
    ['edges[0].branch UNKNOWN_BRANCH', 'edges[1].branch UNKNOWN_BRANCH'],
  ],
  [
    'an error edge needs onError branch',
    { nodes: [node('a'), node('b')], edges: [edge('a', 'b', 'error')] },
    ['edges[0].branch ERROR_EDGE_UNEXPECTED'],
  ],
  [
    'onError branch needs an error edge',
    { nodes: [node('a', { onError: 'branch' }), node('b')], edges: [edge('a', 'b')] },
    ['nodes[0].onError ERROR_EDGE_MISSING'],
  ],
  [
    'without edges there is no error edge either',
    { nodes: [node('a', { onError: 'branch' })] },
    ['nodes[0].onError ERROR_EDGE_MISSING'],
  ],
  [
    'without edges a node with branches is the last one',
    { nodes: [condition('a'), node('b'), condition('c')] },
    ['nodes[0] BRANCH_NOT_LAST'],
  ],
  [
    'a join counts no more edges than it has',
    { nodes: [node('a'), join('j', { mode: 'count', count: 2 })], edges: [edge('a', 'j')] },
    ['nodes[1].config.count JOIN_COUNT'],
  ],
  ['a join has incoming edges', { nodes: [join('j', { mode: 'all' })] }, ['nodes[0] JOIN_WITHOUT_EDGES']],
  [
    'count belongs to mode count',
    { nodes: [node('a'), join('j', { mode: 'count' }), join('k', { mode: 'any', count: 1 })] },
    ['nodes[1].config.count REQUIRED', 'nodes[2].config.count INVALID_VALUE'],
  ],
])('%s', (_name, more, expected) => {
  expect(problemsOf(document(more))).toEqual(expected);
});

test.each([['connector.action', 'code.javascript', 'agent.execute']])(
  'kinds that come later are refused by name: %s ...',
  (...types) => {
    for (const type of types) {
      expect(problemsOf(document({ nodes: [node('a', { type, config: { any: 1 } })] }))).toEqual([
        'nodes[0].type UNSUPPORTED',
      ]);
    }
  },
);

test('keys and triggers that come later are refused by name', () => {
  expect(problemsOf(document({ nodes: [node('a', { connection: 'x', runsOn: 'y' })] }))).toEqual([
    'nodes[0].connection UNSUPPORTED',
    'nodes[0].runsOn UNSUPPORTED',
  ]);
  expect(problemsOf(document({ trigger: { type: 'trigger.connector' } }))).toEqual(['trigger.type UNSUPPORTED']);
  expect(problemsOf(document({ trigger: { type: 'trigger.moon' } }))).toEqual(['trigger.type INVALID_VALUE']);
});

// Expressions

const value = (text: unknown, id = 'b') => ({ id, type: 'transform', config: { value: text } });
const chain = (text: unknown) => problemsOf(document({ nodes: [node('a'), value(text), node('c'), node('my-step')] }));
const at = (code: string) => [`nodes[1].config.value ${code}`];

test.each<[string, string, string[]]>([
  ['a step before may be read', '{% $steps.a.output %}', []],
  ['any JSONata is allowed', '{% $sum($trigger.input.lines.(price * count)) ~> $round(2) %}', []],
  [
    'names that the expression binds itself are known',
    '{% ($x := 1; $map([1], function($v, $i) { $v + $i + $x })) %}',
    [],
  ],
  ['names bound in a path are known', '{% $trigger.input.a@$v#$i.{ "v": $v, "i": $i } %}', []],
  ['an unknown step', '{% $steps.nobody.output %}', at('UNKNOWN_STEP')],
  ['a step that comes later', '{% $steps.c.output %}', at('STEP_NOT_BEFORE')],
  ['the step itself', '{% $steps.b.output %}', at('STEP_NOT_BEFORE')],
  ['a hyphen without backticks', '{% $steps.my-step.output %}', at('UNKNOWN_STEP')],
  ['a hyphen in backticks', '{% $steps.`my-step`.output %}', at('STEP_NOT_BEFORE')],
  ['$steps alone', '{% $steps %}', at('EXPRESSION_NAME')],
  ['$steps with a computed id', '{% $lookup($steps, "a") %}', at('EXPRESSION_NAME')],
  ['$steps with a wildcard', '{% $steps.*.output %}', at('EXPRESSION_NAME')],
  ['$steps with a predicate', '{% $steps[0].a %}', at('EXPRESSION_NAME')],
  ['another meaning for $steps', '{% ($steps := 1; 2) %}', at('EXPRESSION_NAME')],
  ['a parameter named $trigger', '{% $map([1], function($trigger) { $trigger }) %}', at('EXPRESSION_NAME')],
  ['an unknown name', '{% $trigge.input %}', at('UNKNOWN_NAME')],
  ['$eval', '{% $eval("1") %}', at('EXPRESSION_NAME')],
  ['$error outside of an error handler', '{% $error.code %}', at('UNKNOWN_NAME')],
  ['the function $error', '{% $error("no") %}', []],
  ['the organization’s variables', '{% $vars.region & $lookup($vars, "x") %}', []],
  ['another meaning for $vars', '{% ($vars := 1; 2) %}', at('EXPRESSION_NAME')],
  ['$item outside of a loop', '{% $item %}', at('UNKNOWN_NAME')],
  ['a mistake in the grammar', 'x {% 1 + %} y', at('EXPRESSION_SYNTAX')],
  ['an empty expression', '{% %}', at('EXPRESSION_SYNTAX')],
  ['an expression that is never closed', 'x {% 1 + 1', at('EXPRESSION_SYNTAX')],
  ['a regular expression that could take for ever', '{% $contains("a", /(?=a)b/) %}', at('EXPRESSION_SYNTAX')],
  ['an expression of more than 8192 characters', `{% ${'1+'.repeat(4096)}1 %}`, at('EXPRESSION_TOO_LONG')],
  ['nesting that would overflow the parser', `{% ${'('.repeat(4000)} %}`, at('EXPRESSION_SYNTAX')],
])('an expression: %s', (_name, text, expected) => {
  expect(chain(text)).toEqual(expected);
});

test('a step on another path does not come before', () => {
  const nodes = [node('start'), node('left'), value('{% $steps.left.output %}', 'right')];
  const edges = [edge('start', 'left'), edge('start', 'right')];
  expect(problemsOf(document({ nodes, edges }))).toEqual(['nodes[2].config.value STEP_NOT_BEFORE']);
});

test('the output of the document may read every step', () => {
  expect(problemsOf(document({ output: ['{% $steps.a.output %}', '{% $steps.b.output %}'] }))).toEqual([
    'output[1] UNKNOWN_STEP',
  ]);
});

test('expressions are only allowed in values of config and output', () => {
  const input = document({
    constants: { x: ['{% 1 %}'], '{% 2 %}': 1 },
    output: { '{% 1 %}': 1 },
    nodes: [
      http('a', { name: '{% 1 %}' }, { method: '{% "GET" %}', headers: { '{% 1 %}': 'x' } }),
      join('j', { mode: '{% "all" %}' }),
    ],
  });
  expect(problemsOf(input).sort()).toEqual([
    'constants.x[0] EXPRESSION_NOT_ALLOWED',
    'constants["{% 2 %}"] EXPRESSION_NOT_ALLOWED',
    'nodes[0].config.headers["{% 1 %}"] EXPRESSION_NOT_ALLOWED',
    'nodes[0].config.method EXPRESSION_NOT_ALLOWED',
    'nodes[0].name EXPRESSION_NOT_ALLOWED',
    'nodes[1].config.mode EXPRESSION_NOT_ALLOWED',
    'output["{% 1 %}"] EXPRESSION_NOT_ALLOWED',
  ]);
});

test('a problem of an expression tells its position in the string', () => {
  const validation = validateDefinition(document({ nodes: [value('ab{% 1 + + %}')] }));
  expect(validation.ok ? [] : validation.problems).toEqual([
    {
      path: 'nodes[0].config.value',
      code: 'EXPRESSION_SYNTAX',
      message: 'The symbol "+" cannot be used as a unary operator. (position 10)',
    },
  ]);
});

test.each(['v1', 'v3', 2, { '{%': 1 }])('a document of version %j is told which versions can be read', (version) => {
  const validation = validateDefinition(document({ version }));
  const message = 'This program reads documents of version "v2".';
  expect(validation.ok ? [] : validation.problems).toEqual([{ path: 'version', code: 'INVALID_VALUE', message }]);
});

test('one mistake does not hide the others', () => {
  const input = document({
    version: 'v9',
    nodes: [node('a', { type: 'teleport' }), value('{% $steps.nobody %}'), node('c')],
    edges: [edge('a', 'b'), edge('b', 'zzz')],
  });
  expect(problemsOf(input)).toEqual([
    'version INVALID_VALUE',
    'nodes[0].type UNKNOWN_TYPE',
    'edges[1].to UNKNOWN_NODE',
    'nodes[2] ISOLATED_NODE',
    'nodes[1].config.value UNKNOWN_STEP',
  ]);
});

// Hostile documents

function nested(depth: number): unknown {
  let deep: unknown = 1;
  for (let level = 0; level < depth; level += 1) {
    deep = level % 2 === 0 ? [deep] : { a: deep };
  }
  return deep;
}

test('a document that is too deep or too large gets one problem, quickly', () => {
  const started = performance.now();
  expect(problemsOf(document({ constants: nested(100_000) }))).toEqual(['TOO_DEEP']);
  expect(problemsOf(document({ constants: { list: Array.from({ length: 300_000 }, () => 1) } }))).toEqual([
    'TOO_LARGE',
  ]);
  expect(problemsOf(document({ nodes: Array.from({ length: 1001 }, (_, index) => node(`n${index}`)) }))).toEqual([
    'nodes TOO_LARGE',
  ]);
  const long = `{% ${'a.'.repeat(4000)}a %}`;
  expect(problemsOf(document({ constants: {}, output: Array.from({ length: 100 }, () => long) }))).toEqual([
    'TOO_LARGE',
  ]);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('the most that parsing may cost takes seconds at the worst', () => {
  const tiny = Array.from({ length: 10_000 }, (_, index) => `{%a${index}%}`);
  const long = Array.from({ length: 3 }, (_, index) => `{% ${'a.'.repeat(4080)}b${index} %}`);
  const nested = Array.from({ length: 3 }, (_, index) => `{% (((${'a+'.repeat(4060)}${index}) ?? 1) ?? 2) ?? 3%}`);
  for (const output of [tiny, long, nested]) {
    const started = performance.now();
    expect(problemsOf(document({ output }))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(8000);
  }
});

test('a document with 100,000 problems lists the first thousand', () => {
  const config = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, 1]));
  expect(problemsOf(document({ nodes: [http('a', {}, config)] }))).toHaveLength(1001);
});

test('the largest graph allowed is checked in seconds', () => {
  const ids = Array.from({ length: 1000 }, (_, index) => `n${index}`);
  const nodes = ids.map((id, index) => value(index === 0 ? 1 : `{% $steps.n${index - 1}.output %}`, id));
  const edges = Array.from({ length: 4990 }, (_, index) => {
    const from = index % 990;
    return edge(`n${from}`, `n${from + 1 + Math.floor(index / 990)}`);
  });
  const started = performance.now();
  const problems = problemsOf(document({ nodes, edges }));
  expect(problems.every((problem) => problem.includes('ISOLATED') || problem.includes('STEP_NOT_BEFORE'))).toBe(true);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('validation never throws, whatever the JSON', () => {
  const key = fc.constantFrom(
    'version',
    'trigger',
    'nodes',
    'edges',
    'id',
    'type',
    'config',
    'from',
    'to',
    'branch',
    'value',
    'if',
    'retry',
    'output',
    '__proto__',
    'constructor',
    'mode',
    'count',
    'onError',
  );
  const leaf = fc.oneof(
    fc.constantFrom(
      'v2',
      'trigger.manual',
      'transform',
      'condition',
      'parallel.join',
      'http.request',
      'a',
      'b',
      'error',
      'true',
      'branch',
      '{% $steps.a.output %}',
      '{% ((( %}',
      '{%',
      'constructor',
      'all',
      'count',
    ),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const tree = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
    ),
  })).value;
  const almost = fc.record(
    {
      version: fc.constant('v2'),
      trigger: fc.oneof({ weight: 4, arbitrary: fc.constant(trigger) }, tree),
      nodes: fc.oneof(
        tree,
        fc.array(fc.record({ id: leaf, type: leaf, config: tree, onError: leaf, retry: tree }, { requiredKeys: [] }), {
          maxLength: 5,
        }),
      ),
      edges: fc.oneof(
        tree,
        fc.array(fc.record({ from: leaf, to: leaf, branch: leaf }, { requiredKeys: [] }), { maxLength: 6 }),
      ),
      output: tree,
      constants: tree,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(tree, almost), (input) => {
      const validation = validateDefinition(input);
      expect(validation.ok || validation.problems.length > 0).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test('values that are no JSON are problems, not exceptions', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const input of [
    undefined,
    () => 1,
    Symbol('x'),
    10n,
    Number.NaN,
    { a: undefined },
    circular,
    new Date(Number.NaN),
  ]) {
    expect(problemsOf(input).length).toBeGreaterThan(0);
  }
});

test('the resume URL of a wait.webhook can be read before it, beside it and in loops around which it stands', () => {
  const url = '{% $steps.wait.resumeUrl %}';
  const wait = node('wait', { type: 'wait.webhook', config: { methods: ['GET'] } });
  const tell = node('tell', { config: { value: url } });
  const loop = (id: string, nodes: object[]) => node(id, { type: 'foreach', config: { items: [1], body: { nodes } } });
  expect(problemsOf(document({ nodes: [tell, wait] }))).toEqual([]);
  expect(problemsOf(document({ nodes: [loop('each', [tell]), wait], output: url }))).toEqual([]);
  expect(problemsOf(document({ nodes: [loop('each', [tell, wait])] }))).toEqual([]);
  expect(problemsOf(document({ nodes: [wait], settings: { onFailure: { nodes: [tell] } } }))).toEqual([]);
});

test('there is no resume URL of another kind of step, or of one inside a loop that is somewhere else', () => {
  const url = '{% $steps.wait.resumeUrl %}';
  const wait = node('wait', { type: 'wait.webhook', config: {} });
  const tell = node('tell', { config: { value: url } });
  const each = node('each', { type: 'foreach', config: { items: [1], body: { nodes: [wait] } } });
  expect(problemsOf(document({ nodes: [tell, each] }))).toEqual(['nodes[0].config.value NO_RESUME_URL']);
  expect(problemsOf(document({ nodes: [node('wait'), tell] }))).toEqual(['nodes[1].config.value NO_RESUME_URL']);
  expect(problemsOf(document({ nodes: [tell] }))).toEqual(['nodes[0].config.value UNKNOWN_STEP']);
  const other = node('tell', { config: { value: '{% $steps.wait.output %}' } });
  expect(problemsOf(document({ nodes: [other, wait] }))).toEqual(['nodes[0].config.value STEP_NOT_BEFORE']);
});
