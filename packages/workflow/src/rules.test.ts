import { expect, test } from 'vitest';
import type { RunEvent } from './events.ts';
import { locate, stepKeyFor } from './locate.ts';
import { resume } from './resume.ts';
import { nextDueAt, runStatus } from './run-status.ts';
import { planOf } from './testing.ts';
import { startRun } from './testing-host.ts';
import { transition } from './transition.ts';
import { validateDefinition } from './validate.ts';
import { withholdSteps } from './withheld.ts';

const trigger = { type: 'trigger.manual' };
const give = (id: string, value: unknown = id, more: object = {}) => ({
  id,
  type: 'transform',
  config: { value },
  ...more,
});
const call = (id: string, more: object = {}) => ({
  id,
  type: 'http.request',
  config: { method: 'GET', url: 'https://example.com' },
  ...more,
});
const edges = (...texts: string[]) =>
  texts.map((text) => {
    const [from, to, branch] = text.split(' ');
    return branch === undefined ? { from, to } : { from, to, branch };
  });
const document = (nodes: object[], more: object = {}) => ({ version: 'v2', trigger, nodes, ...more });
const run = (nodes: object[], more: object = {}, options: Parameters<typeof startRun>[1] = {}) =>
  startRun(planOf(document(nodes, more)), options);
const foreach = (id: string, items: unknown, body: object, more: object = {}) => ({
  id,
  type: 'foreach',
  config: { items, body, ...more },
});
const repeat = (id: string, config: object) => ({ id, type: 'repeat', config });

/** The problems of a document as `path CODE`, later kinds allowed. */
function problemsOf(nodes: object[], more: object = {}): string[] {
  const validation = validateDefinition(document(nodes, more), { allowLater: true });
  return validation.ok ? [] : validation.problems.map(({ path, code }) => `${path} ${code}`.trim());
}

const broken = (code = 'BOOM') => [{ error: { code } }];

test('rule 1: ids are unique in the document, those in bodies and onFailure included', () => {
  const nodes = [give('a'), foreach('each', [], { nodes: [give('a')] })];
  expect(problemsOf(nodes, { settings: { onFailure: { nodes: [give('each')] } } })).toEqual([
    'nodes[1].config.body.nodes[0].id DUPLICATE_ID',
    'settings.onFailure.nodes[0].id DUPLICATE_ID',
  ]);
});

test('rule 1: unknown keys are problems in bodies, cases and settings too', () => {
  const body = { nodes: [give('a', 1, { colour: 1 })], x: 1 };
  const cases = { cases: [{ name: 'x', if: true, when: 1 }] };
  const nodes = [foreach('each', [], body), { id: 's', type: 'switch', config: cases }];
  expect(problemsOf(nodes, { settings: { speed: 1 } }).sort()).toEqual([
    'nodes[0].config.body.nodes[0].colour UNKNOWN_KEY',
    'nodes[0].config.body.x UNKNOWN_KEY',
    'nodes[1].config.cases[0].when UNKNOWN_KEY',
    'settings.speed UNKNOWN_KEY',
  ]);
});

test('rule 2: every problem of every graph is told with its path', () => {
  const body = { nodes: [give('x', '{% $steps.y.output %}'), { id: 'y', type: 'transform', config: {} }] };
  expect(problemsOf([foreach('each', [], body), foreach('inner', [], { nodes: [] })])).toEqual([
    'nodes[1].config.body.nodes INVALID_VALUE',
    'nodes[0].config.body.nodes[1].config.value REQUIRED',
    'nodes[0].config.body.nodes[0].config.value STEP_NOT_BEFORE',
  ]);
});

test('rule 3: without edges a body is a chain, and what chooses a branch may only be last; a time-out is no choice', () => {
  const ask = { id: 'ask', type: 'approval', config: { by: 'owner' } };
  const choose = { id: 'choose', type: 'switch', config: { cases: [{ name: 'x', if: true }] } };
  const wait = { id: 'wait', type: 'wait.webhook', config: {} };
  expect(problemsOf([ask, choose, wait, give('a')])).toEqual(['nodes[0] BRANCH_NOT_LAST', 'nodes[1] BRANCH_NOT_LAST']);
  expect(problemsOf([wait, foreach('each', [], { nodes: [{ ...ask, id: 'b' }, give('c')] })])).toEqual([
    'nodes[1].config.body.nodes[0] BRANCH_NOT_LAST',
  ]);
});

test('rule 3: edges of a body are checked like those of the document', () => {
  const body = { nodes: [give('a'), give('b'), give('c')], edges: edges('a b', 'b a', 'a x', 'a b') };
  expect(
    problemsOf([foreach('each', [], body), foreach('two', [], { nodes: [give('d'), give('e')], edges: [] })]),
  ).toEqual([
    'nodes[0].config.body.edges[2].to UNKNOWN_NODE',
    'nodes[0].config.body.edges[3] DUPLICATE_EDGE',
    'nodes[0].config.body.nodes[2] ISOLATED_NODE',
    'nodes[0].config.body.edges CYCLE',
    'nodes[1].config.body.edges EMPTY_EDGES',
  ]);
});

test('rule 4: in an iteration, too, nodes without incoming edges start together', async () => {
  const body = { nodes: [call('a'), call('b'), give('c')], edges: edges('a c', 'b c') };
  const host = await run([foreach('each', [1], body)]);
  expect(host.started).toEqual(['each#1', 'each.0.a#1', 'each.0.b#1']);
});

test('rules 5 to 7: a diamond inside a body runs its end once in every iteration', async () => {
  const nodes = [
    { id: 'big', type: 'condition', config: { if: '{% $item > 1 %}' } },
    give('more', '{% $item * 10 %}'),
    give('end', "{% $steps.more.output ?? 'small' %}"),
  ];
  const body = { nodes, edges: edges('big more true', 'more end', 'big end false') };
  const host = await run([foreach('each', [1, 2], body, { concurrency: 2 })]);
  expect(host.output).toEqual(['small', 20]);
  expect(host.started.filter((key) => key.includes('end'))).toEqual(['each.0.end#1', 'each.1.end#1']);
});

test('rule 8: a join inside a body collects the steps of its own iteration by their ids', async () => {
  const nodes = [
    give('a', '{% $item %}'),
    call('b'),
    { id: 'j', type: 'parallel.join', config: { mode: 'any', cancelRest: true } },
  ];
  const host = await run([foreach('each', ['x', 'y'], { nodes, edges: edges('a j', 'b j') })]);
  expect(host.output).toEqual([{ a: 'x' }, { a: 'y' }]);
  expect(host.statuses.get('each.0.b')).toBe('cancelled');
});

test('rule 9: a switch takes the first case that holds, else default', async () => {
  const cases = [
    { name: 'high', if: '{% $trigger.input.n > 10 %}' },
    { name: 'low', if: '{% $trigger.input.n > 1 %}' },
  ];
  const nodes = [{ id: 's', type: 'switch', config: { cases } }, give('high'), give('low'), give('none')];
  const more = { edges: edges('s high high', 's low low', 's none default') };
  for (const [n, expected] of [
    [11, 'high'],
    [5, 'low'],
    [0, 'none'],
    [undefined, 'none'],
  ] as const) {
    const host = await run(nodes, more, { input: n === undefined ? {} : { n } });
    expect(host.output).toBe(expected);
  }
  expect(problemsOf(nodes, { edges: edges('s high high', 's low medium', 's none default') })).toEqual([
    'edges[1].branch UNKNOWN_BRANCH',
  ]);
});

test.each(['approval', 'wait.webhook'])(
  'rule 9: a time-out of %s takes its edge, and fails the step without one',
  async (type) => {
    const ask = { id: 'ask', type, config: { ...(type === 'approval' ? { by: 'admin' } : {}), timeoutMs: 100 } };
    const withEdge = await run([ask, give('late', '{% $steps.ask.output %}')], { edges: edges('ask late timeout') });
    expect(runStatus(withEdge.state)).toEqual({ status: 'waiting', nextAttemptAt: 100 });
    await withEdge.send({ type: 'time.passed', at: 99 });
    expect(withEdge.state.status).toBe('running');
    await withEdge.send({ type: 'time.passed', at: 100 });
    expect(withEdge.output).toEqual(type === 'approval' ? { decision: 'timeout', decidedBy: null, note: null } : null);
    const without = await run([{ ...ask, id: 'only' }]);
    await without.send({ type: 'time.passed', at: 100 });
    expect(without.error).toMatchObject({ code: 'WAIT_TIMEOUT', stepId: 'only' });
  },
);

test('rule 9: any other outcome without an edge simply ends that path', async () => {
  const host = await run([{ id: 'ask', type: 'approval', config: { by: 'admin' } }, give('a')], {
    edges: edges('ask a approved'),
  });
  await host.send({ type: 'step.resumed', stepKey: 'ask', branch: 'rejected', at: 1 });
  expect([host.state.status, host.statuses.get('a')]).toEqual(['succeeded', 'skipped']);
});

test('rule 10: body nodes see the item, its index, what the loop sees and their own iteration, under the names of as', async () => {
  const inner = foreach(
    'inner',
    '{% $order.lines %}',
    {
      nodes: [
        give(
          'line',
          '{% $order.id & "/" & $line & "/" & $orderIndex & "/" & $lineIndex & "/" & $steps.first.output %}',
        ),
      ],
    },
    { as: 'line' },
  );
  const nodes = [
    give('first', 'f'),
    foreach('each', '{% $trigger.input %}', { nodes: [give('own', 1), inner] }, { as: 'order' }),
  ];
  const host = await run(
    nodes,
    {},
    {
      input: [
        { id: 'A', lines: [7, 8] },
        { id: 'B', lines: null },
      ],
    },
  );
  expect(host.output).toEqual([['A/7/0/0/f', 'A/8/0/1/f'], []]);
});

test('rule 10: outside only the output of the loop can be read, and inside nothing of other bodies', () => {
  const nodes = [
    foreach('each', [], { nodes: [give('in', '{% $item & $itemIndex %}'), give('loop', '{% $steps.each.output %}')] }),
    give('out', '{% $steps.in.output %}'),
    give('all', '{% $steps.each.output %}'),
    give('item', '{% $item %}'),
  ];
  expect(problemsOf(nodes)).toEqual([
    'nodes[0].config.body.nodes[1].config.value STEP_NOT_BEFORE',
    'nodes[1].config.value STEP_NOT_BEFORE',
    'nodes[3].config.value UNKNOWN_NAME',
  ]);
});

test('rule 10: nested loops need different names, and a name that means something else is none', () => {
  const inner = foreach('inner', [], { nodes: [give('x')] });
  expect(problemsOf([foreach('each', [], { nodes: [inner] })])).toEqual([
    'nodes[0].config.body.nodes[0].config.as LOOP_NAME',
  ]);
  for (const as of ['steps', 'sum', 'error', '1a', 'a-b', '']) {
    expect(problemsOf([foreach('each', [], { nodes: [give('x')] }, { as })])).toEqual([
      'nodes[0].config.as INVALID_VALUE',
    ]);
  }
});

test.each<[string, unknown, string]>([
  ['text', 'abc', 'ITEMS_NO_LIST'],
  ['an object', { a: 1 }, 'ITEMS_NO_LIST'],
  ['10,001 items', Array.from({ length: 10_001 }, () => 1), 'ITEMS_TOO_MANY'],
])('rule 10: a foreach over %s fails', async (_name, items, code) => {
  const host = await run([foreach('each', items, { nodes: [give('x')] })]);
  expect(host.error).toMatchObject({ code, stepId: 'each' });
});

test('rule 10: a repeat runs until its condition holds, and each turn sees the value of the turn before', async () => {
  const body = { nodes: [give('next', '{% ($item ?? 0) + 5 %}')] };
  const host = await run([repeat('poll', { body, until: '{% $steps.next.output >= 15 %}', maxTimes: 10 })]);
  expect(host.output).toEqual([5, 10, 15]);
});

test('rule 10: a repeat ends after maxTimes turns, without asking its condition after the last one', async () => {
  const body = { nodes: [give('next', '{% $turnIndex %}')] };
  const host = await run([
    repeat('poll', { body, until: '{% $turnIndex = 2 and $error("asked") %}', maxTimes: 3, as: 'turn' }),
  ]);
  expect(host.output).toEqual([0, 1, 2]);
});

test('rule 10: a repeat whose condition cannot be evaluated fails', async () => {
  const body = { nodes: [give('next')] };
  const host = await run([repeat('poll', { body, until: '{% $error("no") %}', maxTimes: 3, onItemError: 'collect' })]);
  expect(host.error).toMatchObject({ stepId: 'poll' });
});

test('rule 11: the value of an iteration is its output, else its ends by rule 18, null when all is skipped', async () => {
  const stop = { id: 'stop', type: 'condition', config: { if: false } };
  const host = await run(
    [
      foreach('written', [1], { nodes: [give('a')], output: { v: '{% $steps.a.output & $item %}' } }),
      foreach('several', [1], { nodes: [give('b'), give('c'), give('d')], edges: edges('b c', 'b d') }),
      foreach('none', [1, 2], { nodes: [stop, give('e')], edges: edges('stop e true') }),
    ],
    { output: ['{% $steps.written.output[0] %}', '{% $steps.several.output[0] %}', '{% $steps.none.output %}'] },
  );
  expect(host.output).toEqual([{ v: 'a1' }, { c: 'c', d: 'd' }, [null, null]]);
});

test('rule 11: fail stops new iterations, cancels running ones and fails the loop, whose onError decides', async () => {
  const loop = foreach('each', [0, 1, 2, 3], { nodes: [call('send')] }, { concurrency: 3 });
  const host = await run(
    [{ ...loop, onError: 'continue' }, give('after', '{% $steps.each.error.code %}')],
    {},
    {
      answers: { 'each.1.send': broken('NO') },
    },
  );
  expect(
    ['each.0.send', 'each.1.send', 'each.2.send', 'each.3.send', 'each'].map((key) => host.statuses.get(key)),
  ).toEqual(['cancelled', 'failed', 'cancelled', undefined, 'failed']);
  expect(host.output).toBe('NO');
});

test('rule 11: collect goes on, and an output that cannot be made is an error of its iteration', async () => {
  const body = { nodes: [give('a', '{% $item %}')], output: 'x{% $steps.a.output %}' };
  const host = await run([foreach('each', [1, null, 3], body, { onItemError: 'collect' })]);
  expect(host.output).toMatchObject(['x1', { error: { code: 'EXPRESSION_NO_VALUE', stepId: 'each.1' } }, 'x3']);
});

test('rule 11: no more iterations than concurrency are open, and one that ends makes room for the next', async () => {
  const host = await run([foreach('each', [1, 2, 3], { nodes: [call('send')] }, { concurrency: 2 })]);
  expect(host.started).toEqual(['each#1', 'each.0.send#1', 'each.1.send#1']);
  host.outputs.set('each.1.send', 'b');
  await host.send({ type: 'step.succeeded', stepKey: 'each.1.send', attempt: 1, at: 0 });
  expect(host.started.at(-1)).toBe('each.2.send#1');
});

test('rule 11: iterations that fail in the same moment fail the loop once', async () => {
  const ask = { id: 'ask', type: 'approval', config: { by: 'admin', timeoutMs: 5 } };
  const loop = { ...foreach('each', [1, 2], { nodes: [ask] }, { concurrency: 2 }), onError: 'continue' };
  const plan = planOf(document([loop, give('after')]));
  const { state } = await startRun(plan);
  const [, effects] = transition(plan, state, { type: 'time.passed', at: 5 });
  expect(
    effects.map((effect) =>
      'scope' in effect ? [effect.type, effect.scope] : [effect.type, 'stepKey' in effect ? effect.stepKey : ''],
    ),
  ).toEqual([
    ['failStep', 'each.0.ask'],
    ['failStep', 'each.1.ask'],
    ['finishIteration', 'each.0'],
    ['failStep', 'each'],
    ['startStep', 'after'],
  ]);
});

test('rule 11: a loop ends when all its values are collected, and never begins again', async () => {
  const host = await run([foreach('each', [1, 2], { nodes: [call('send', { retry: { maxAttempts: 3 } })] })]);
  const { state } = host;
  const foreign: RunEvent[] = [
    { type: 'step.succeeded', stepKey: 'each', attempt: 1, at: 1 },
    { type: 'loop.started', stepKey: 'each', attempt: 1, total: 5, at: 1 },
    { type: 'step.waits', stepKey: 'each', attempt: 1, for: 'timer', dueAt: 5, at: 1 },
    { type: 'output.evaluated', scope: 'each.0', at: 1 },
    { type: 'output.failed', scope: 'each.1', error: { code: 'X', message: 'x' }, at: 1 },
    { type: 'until.evaluated', stepKey: 'each', index: 0, holds: true, at: 1 },
    { type: 'loop.started', stepKey: 'each.0.send', attempt: 1, total: 5, at: 1 },
    { type: 'step.succeeded', stepKey: 'each.1.send', attempt: 1, at: 1 },
  ];
  for (const event of foreign) {
    await host.send(event);
    expect(host.state).toBe(state);
  }
  const error = { code: 'X', message: 'x', retryable: true };
  await host.send({ type: 'step.failed', stepKey: 'each', attempt: 1, error, at: 1, random: 0 });
  expect(['each.0.send', 'each'].map((key) => host.statuses.get(key))).toEqual(['cancelled', 'failed']);
});

test('rule 11: retry, a time limit and idempotency stand on body nodes, never on the loop', () => {
  const loop = {
    ...foreach('each', [], { nodes: [call('x', { retry: { maxAttempts: 2 }, timeoutMs: 5 })] }),
    retry: {},
    timeoutMs: 5,
  };
  expect(problemsOf([{ ...loop, idempotency: 'key' }])).toEqual([
    'nodes[0].retry LOOP_OPTION',
    'nodes[0].timeoutMs LOOP_OPTION',
    'nodes[0].idempotency LOOP_OPTION',
  ]);
});

test('rule 13: a wait has no attempt to limit or to repeat, so a limit beside its config is a problem', () => {
  const ask = { id: 'ask', type: 'approval', config: { by: 'admin' }, timeoutMs: 5, idempotency: 'none' };
  expect(problemsOf([ask])).toEqual(['nodes[0].timeoutMs WAIT_OPTION', 'nodes[0].idempotency WAIT_OPTION']);
});

test('rule 12: a key names the way to its step, and what a step reads is found from there', () => {
  const inner = foreach('inner', [], { nodes: [give('x')] }, { as: 'line' });
  const plan = planOf(
    document([give('a'), foreach('each', [], { nodes: [give('b'), inner] })], {
      settings: { onFailure: { nodes: [foreach('tell', [], { nodes: [give('y')] })] } },
    }),
  );
  const found = locate(plan, 'each.3.inner.12.x');
  expect(found?.node.id).toBe('x');
  expect(found?.loops.map(({ stepKey, index }) => [stepKey, index])).toEqual([
    ['each', 3],
    ['each.3.inner', 12],
  ]);
  const keys = ['a', 'b', 'x', 'y'].map((id) => stepKeyFor(plan, 'each.3.inner.12', id));
  expect(keys).toEqual(['a', 'each.3.b', 'each.3.inner.12.x', null]);
  expect(stepKeyFor(plan, 'onFailure.tell.0', 'a')).toBe('a');
  expect(locate(plan, 'onFailure.tell.0.y')?.isOnFailure).toBe(true);
  for (const key of [
    '',
    'each.3',
    'each.x.b',
    'each.03.b',
    'a.1.b',
    'each.1.x',
    'onFailure',
    'onFailure.a',
    'nobody',
    'constructor',
    '__proto__',
  ]) {
    expect(locate(plan, key)).toBeNull();
  }
});

test('rule 13: an outcome nobody knows waits for a decision: retry, skip with a value, or fail', async () => {
  const node = call('pay', { idempotency: 'none', onError: 'branch' });
  const start = async () => {
    const host = await run([node, give('ok'), give('sorry', '{% $steps.pay.error.code %}')], {
      edges: edges('pay ok', 'pay sorry error'),
    });
    await host.send({ type: 'step.unknown', stepKey: 'pay', attempt: 1, at: 1 });
    expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: null });
    return host;
  };
  const decision = (it: 'retry' | 'skip' | 'fail') =>
    ({ type: 'step.decided', stepKey: 'pay', attempt: 1, decision: it, at: 2 }) as const;
  const again = await start();
  await again.send(decision('retry'));
  expect(again.started.at(-1)).toBe('pay#2');
  await again.send({ type: 'step.unknown', stepKey: 'pay', attempt: 2, at: 3 });
  await again.send(decision('retry'));
  expect(again.state.steps.pay).toMatchObject({ status: 'waiting', for: 'decision', attempt: 2 });
  const skipped = await start();
  await skipped.send(decision('skip'));
  expect(skipped.output).toBe('ok');
  const failed = await start();
  await failed.send(decision('fail'));
  expect(failed.output).toBe('OUTCOME_UNKNOWN');
});

test('rule 13: what an owner gave up before it began it is begun by the next one, and in doubt only from then on', async () => {
  const body = { nodes: [call('pay', { idempotency: 'none' })] };
  const plan = planOf(document([foreach('each', [1, 2], body, { concurrency: 2 })]));
  const { state } = await startRun(plan);
  const givenUp = withholdSteps(plan, state, ['each.1.pay', 'each.7.pay', 'nobody']);
  const [taken, effects] = resume(plan, givenUp, 5);
  expect(effects).toEqual([
    { type: 'waitStep', stepKey: 'each.0.pay', attempt: 1, for: 'decision', dueAt: null },
    { type: 'startStep', stepKey: 'each.1.pay', attempt: 1, collect: null },
  ]);
  expect(resume(plan, taken, 6)[1]).toEqual([
    { type: 'waitStep', stepKey: 'each.1.pay', attempt: 1, for: 'decision', dueAt: null },
  ]);
  expect(withholdSteps(plan, state, [])).toBe(state);
});

test('rule 13: repeating a GET is natural, a POST repeats under its key, and a document may say otherwise', () => {
  const request = (id: string, method: string, more: object = {}) => ({
    ...{ id, type: 'http.request', config: { method, url: 'https://example.com' } },
    ...more,
  });
  const plan = planOf(
    document([
      request('a', 'GET'),
      request('b', 'PUT'),
      request('c', 'POST'),
      request('d', 'PATCH', { idempotency: 'none' }),
    ]),
  );
  expect([...plan.nodes.values()].map(({ idempotency }) => idempotency)).toEqual(['natural', 'natural', 'key', 'none']);
});

test('rule 14: fail fails with its code and message, is never tried again, and onError decides', async () => {
  const node = (more: object) => ({
    id: 'no',
    type: 'fail',
    config: { code: 'REFUSED', message: 'no {% $trigger.input %}' },
    ...more,
  });
  const plain = await run([node({ retry: { maxAttempts: 5 } })], {}, { input: 7 });
  expect(plain.error).toEqual({ code: 'REFUSED', message: 'no 7', stepId: 'no' });
  const handled = await run(
    [node({ onError: 'continue' }), give('on', '{% $steps.no.error.message %}')],
    {},
    { input: 7 },
  );
  expect(handled.output).toBe('no 7');
});

const tell = {
  nodes: [call('mail'), give('told', '{% $error.code & " " & $error.stepId & " " & $steps.first.output %}')],
};

test('rule 14: after a failure onFailure runs with $error and the steps of the run, then the run fails with the first error', async () => {
  const host = await run(
    [give('first', 1), call('bad'), give('never')],
    { settings: { onFailure: tell } },
    {
      answers: { bad: broken('FIRST') },
    },
  );
  expect([host.state.status, runStatus(host.state).status]).toEqual(['failing', 'running']);
  expect(host.statuses.get('never')).toBe('skipped');
  await host.send({ type: 'step.succeeded', stepKey: 'onFailure.mail', attempt: 1, at: 1 });
  expect(host.outputs.get('onFailure.told')).toBe('FIRST bad 1');
  expect(host.state.status).toBe('failed');
  expect(host.error).toMatchObject({ code: 'FIRST', stepId: 'bad' });
});

test('rule 14: a failure in onFailure changes nothing about how the run ends', async () => {
  const host = await run(
    [call('bad')],
    { settings: { onFailure: { nodes: [call('mail')] } } },
    {
      answers: { bad: broken('FIRST'), mail: broken('SECOND') },
    },
  );
  expect(host.error).toMatchObject({ code: 'FIRST', stepId: 'bad' });
  expect(host.statuses.get('onFailure.mail')).toBe('failed');
});

test('rule 14: an output that cannot be evaluated is a failure like any other', async () => {
  const host = await run([give('a')], {
    output: 'x{% $trigger.input %}',
    settings: { onFailure: { nodes: [give('b', '{% $error.code %}')] } },
  });
  expect(host.outputs.get('onFailure.b')).toBe('EXPRESSION_NO_VALUE');
  expect(host.state.status).toBe('failed');
});

test('rule 15: a run waits while only time, people and others are awaited; beside a running step it runs', async () => {
  const nodes = [
    { id: 'wait', type: 'delay', config: { for: 'PT1H' } },
    { id: 'ask', type: 'approval', config: { by: 'admin' } },
    call('c'),
    give('d'),
  ];
  const host = await run(nodes, { edges: edges('wait d', 'ask d', 'c d') });
  expect(runStatus(host.state)).toEqual({ status: 'running', nextAttemptAt: null });
  expect(nextDueAt(host.state)).toBe(3_600_000);
  await host.send({
    type: 'step.failed',
    stepKey: 'c',
    attempt: 1,
    error: { code: 'X', message: 'x', retryable: true },
    at: 0,
    random: 0,
  });
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: 500 });
  await host.send({ type: 'time.passed', at: 500 });
  await host.send({ type: 'step.succeeded', stepKey: 'c', attempt: 2, at: 0 });
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: 3_600_000 });
  await host.send({ type: 'time.passed', at: 3_600_000 });
  expect(host.outputs.get('wait')).toEqual({ until: '1970-01-01T01:00:00.000Z' });
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: null });
});

test('rule 15: a loop whose iterations only wait makes the run wait', async () => {
  const host = await run([
    foreach(
      'each',
      [10, 20],
      { nodes: [{ id: 'w', type: 'delay', config: { for: '{% $item %}' } }] },
      { concurrency: 2 },
    ),
  ]);
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: 10 });
  await host.send({ type: 'time.passed', at: 15 });
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: 20 });
});

test('rule 16: cancelling reaches into loops and onFailure, and nothing runs afterwards', async () => {
  const settings = { onFailure: { nodes: [call('mail')] } };
  const looping = await run([foreach('each', [1, 2], { nodes: [call('send'), give('x')] })], { settings });
  await looping.send({ type: 'run.cancelled', at: 1 });
  expect(['each.0.send', 'each.0.x', 'each'].map((key) => looping.statuses.get(key))).toEqual([
    'cancelled',
    'cancelled',
    'cancelled',
  ]);
  expect([looping.state.status, looping.state.onFailure]).toEqual(['cancelled', undefined]);
  const failing = await run([call('bad')], { settings }, { answers: { bad: broken() } });
  await failing.send({ type: 'run.cancelled', at: 1 });
  expect([failing.state.status, failing.statuses.get('onFailure.mail')]).toEqual(['cancelled', 'cancelled']);
});

test('rule 16: a run that takes too long fails with RUN_TIMEOUT, and onFailure still runs', async () => {
  const host = await run([call('slow'), give('a')], {
    settings: { timeoutMs: 1000, onFailure: { nodes: [give('b', '{% $error.code %}')] } },
  });
  expect(nextDueAt(host.state)).toBe(1000);
  await host.send({ type: 'time.passed', at: 999 });
  expect(host.state.status).toBe('running');
  await host.send({ type: 'time.passed', at: 1000 });
  expect(['slow', 'a'].map((key) => host.statuses.get(key))).toEqual(['cancelled', 'skipped']);
  expect(host.outputs.get('onFailure.b')).toBe('RUN_TIMEOUT');
  expect(nextDueAt(host.state)).toBeNull();
  expect(host.error).toEqual({ code: 'RUN_TIMEOUT', message: 'The run took longer than its workflow allows.' });
});

test('rule 16: whoever takes over a run whose time is over begins nothing in it again, and onFailure has as much time anew', async () => {
  const plan = planOf(
    document([call('slow')], { settings: { timeoutMs: 1000, onFailure: { nodes: [call('mail')] } } }),
  );
  const { state } = await startRun(plan);
  const [taken, effects] = resume(plan, state, 1000);
  expect(effects).toEqual([
    { type: 'abortStep', stepKey: 'slow' },
    { type: 'startStep', stepKey: 'onFailure.mail', attempt: 1, collect: null },
  ]);
  expect([taken.status, nextDueAt(taken)]).toEqual(['failing', 2000]);
  expect(resume(plan, taken, 1999)[1]).toEqual([
    { type: 'startStep', stepKey: 'onFailure.mail', attempt: 1, collect: null },
  ]);
  const [ended, last] = resume(plan, taken, 2000);
  expect(last).toEqual([
    { type: 'abortStep', stepKey: 'onFailure.mail' },
    { type: 'finishRun', status: 'failed', error: taken.failure },
  ]);
  expect([ended.status, nextDueAt(ended)]).toEqual(['failed', null]);
});

test('rule 16: the time of onFailure is counted from its beginning and changes nothing about why the run failed', async () => {
  const onFailure = { nodes: [call('mail'), give('told')] };
  const error = { code: 'BOOM', message: 'it broke', retryable: false };
  const failed: RunEvent = { type: 'step.failed', stepKey: 'bad', attempt: 1, error, at: 700, random: 0 };
  const limited = await run([call('bad')], { settings: { timeoutMs: 1000, onFailure } });
  await limited.send(failed);
  expect(nextDueAt(limited.state)).toBe(1700);
  await limited.send({ type: 'time.passed', at: 1699 });
  expect(limited.state.status).toBe('failing');
  await limited.send({ type: 'time.passed', at: 1700 });
  expect(limited.state.status).toBe('failed');
  expect(['mail', 'told'].map((id) => limited.statuses.get(`onFailure.${id}`))).toEqual(['cancelled', 'skipped']);
  expect(limited.error).toEqual({ code: 'BOOM', message: 'it broke', stepId: 'bad' });
  const unlimited = await run([call('bad')], { settings: { onFailure } });
  await unlimited.send(failed);
  expect([unlimited.state.status, nextDueAt(unlimited.state)]).toEqual(['failing', null]);
});

test('rule 18: what only steers is no output', async () => {
  const nodes = [
    give('a'),
    { id: 's', type: 'switch', config: { cases: [{ name: 'x', if: true }] } },
    { id: 'r', type: 'respond', config: { body: 1 } },
    { id: 'd', type: 'delay', config: { for: 0 } },
  ];
  const host = await run(nodes, { edges: edges('a s', 'a r', 's d') });
  await host.send({ type: 'time.passed', at: 0 });
  expect(host.outputs.get('r')).toEqual({ status: 200, headers: {}, body: 1 });
  expect(host.output).toBeNull();
});

test('rule 19: expressions stand in values of config and output, in bodies and onFailure too, and nowhere else', () => {
  const body = {
    nodes: [give('x', 1, { name: '{% 1 %}' }), give('y', { '{% 1 %}': '{% 1 %}' })],
    output: { '{% 2 %}': 1 },
  };
  const settings = {
    onFailure: { nodes: [call('f', { config: { method: '{% "GET" %}', url: 'https://example.com' } })] },
  };
  const nodes = [foreach('each', '{% [1] %}', body, { onItemError: '{% "fail" %}' })];
  expect(problemsOf(nodes, { settings }).sort()).toEqual([
    'nodes[0].config.body.nodes[0].name EXPRESSION_NOT_ALLOWED',
    'nodes[0].config.body.nodes[1].config.value["{% 1 %}"] EXPRESSION_NOT_ALLOWED',
    'nodes[0].config.body.output["{% 2 %}"] EXPRESSION_NOT_ALLOWED',
    'nodes[0].config.onItemError EXPRESSION_NOT_ALLOWED',
    'settings.onFailure.nodes[0].config.method EXPRESSION_NOT_ALLOWED',
  ]);
});

test('rule 20: a plan knows for every tree of a body which steps and names it reads', () => {
  const inner = foreach(
    'inner',
    '{% $order.lines %}',
    { nodes: [give('x', '{% $order.id & $lineIndex & $steps.a.output %}')] },
    { as: 'line' },
  );
  const plan = planOf(document([give('a'), foreach('each', [], { nodes: [inner] }, { as: 'order' })]));
  expect(locate(plan, 'each.0.inner')?.node.config).toMatchObject({ reads: [], locals: ['order'], isPlain: true });
  expect(locate(plan, 'each.0.inner.0.x')?.node.config).toMatchObject({
    reads: ['a'],
    locals: ['order', 'lineIndex'],
    isPlain: false,
  });
});

test('rule 22: no name holds a secret', () => {
  const names = ['secrets', 'env', 'connection', 'connections', 'credentials', 'process', 'global'];
  expect(problemsOf(names.map((name) => give(name, `{% $${name}.x %}`)))).toEqual(
    names.map((_name, index) => `nodes[${index}].config.value UNKNOWN_NAME`),
  );
});

test('rule 20: $error is known in onFailure and nowhere else, and onFailure may read every step of the run', () => {
  const settings = { onFailure: { nodes: [give('x', '{% $error.code & $steps.b.output & $steps.in.output %}')] } };
  const nodes = [give('a'), give('b', '{% $error.code %}'), foreach('each', [], { nodes: [give('in')] })];
  expect(problemsOf(nodes, { settings })).toEqual([
    'nodes[1].config.value UNKNOWN_NAME',
    'settings.onFailure.nodes[0].config.value STEP_NOT_BEFORE',
  ]);
});

test('rule 21: in a switch no value counts as false', async () => {
  const config = { cases: [{ name: 'x', if: '{% $trigger.input.nothing %}' }] };
  const host = await run([{ id: 's', type: 'switch', config }]);
  expect(host.outputs.get('s')).toBe('default');
});

test('a sub-workflow is waited for unless its document says no, and its failure fails the step', async () => {
  const node = (more: object) => ({
    id: 'sub',
    type: 'subworkflow',
    config: { workflowId: '018f2c5e-0000-7000-8000-000000000000', ...more },
  });
  const waiting = await run([node({})]);
  expect(waiting.state.steps.sub).toMatchObject({ status: 'waiting', for: 'subworkflow', dueAt: null });
  await waiting.send({
    type: 'step.resumeFailed',
    stepKey: 'sub',
    error: { code: 'CHILD', message: 'x', retryable: true },
    at: 1,
  });
  expect(waiting.error).toMatchObject({ code: 'CHILD', stepId: 'sub' });
  const begun = await run([node({ wait: false })]);
  expect(begun.state.status).toBe('succeeded');
});

test('a foreach over 10,000 items keeps a small state from the first item to the last', async () => {
  const plan = planOf(
    document([foreach('each', '{% $trigger.input %}', { nodes: [give('a'), give('b')] }, { concurrency: 10 })]),
  );
  const input = Array.from({ length: 10_000 }, (_, index) => index);
  let largest = 0;
  const host = await startRun(plan, {
    input,
    onState: (state) => {
      largest = Math.max(largest, JSON.stringify(state).length);
    },
  });
  expect(host.output).toHaveLength(10_000);
  expect(largest).toBeLessThan(5000);
});

test('loops in loops cannot have more steps open at a time than a run can carry', () => {
  const inner = foreach('inner', [], { nodes: [give('x')] }, { concurrency: 100, as: 'line' });
  expect(problemsOf([foreach('each', [], { nodes: [inner] }, { concurrency: 90 })])).toEqual([]);
  expect(problemsOf([foreach('each', [], { nodes: [inner] }, { concurrency: 100 })])).toEqual(['TOO_LARGE']);
});

test('rule 12: loops in loops whose steps would have a key too long to be stored are a problem', () => {
  const nest = (depth: number, length: number) => {
    let body: { nodes: object[] } = { nodes: [give('x'.padEnd(length, 'x'))] };
    for (let level = depth; level > 0; level -= 1) {
      body = { nodes: [foreach(`l${level}`.padEnd(64, 'l'), [], body, { as: `item${level}` })] };
    }
    return body.nodes;
  };
  expect(problemsOf(nest(14, 20))).toEqual([]);
  expect(problemsOf(nest(14, 21))).toEqual([`${'nodes[0].config.body.'.repeat(14)}nodes[0].id TOO_LARGE`]);
  const onFailure = problemsOf([give('a')], { settings: { onFailure: { nodes: nest(14, 20) } } });
  expect(onFailure).toEqual([`settings.onFailure.${'nodes[0].config.body.'.repeat(14)}nodes[0].id TOO_LARGE`]);
});
