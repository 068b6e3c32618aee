import { expect, test } from 'vitest';
import type { Plan } from './plan.ts';
import { keptSteps, retryState } from './retry-state.ts';
import { initialState, type RunState, type StepState } from './state.ts';
import { driveRun, planOf } from './testing.ts';
import { transition } from './transition.ts';

const node = (id: string, more: object = {}) => ({ id, type: 'http.request', config: CONFIG, ...more });
const CONFIG = { method: 'GET', url: 'https://example.com' };
const document = (nodes: object[], more: object = {}) =>
  planOf({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...more }, 1);

/** What the retried run starts first. */
function firstStarts(plan: Plan, ended: RunState): string[] {
  const [, effects] = transition(plan, retryState(plan, ended), { type: 'run.started', at: 1000 });
  return effects.flatMap((effect) => (effect.type === 'startStep' ? [`${effect.stepKey}#${effect.attempt}`] : []));
}

test('a retried run goes on at the step that failed, with its time renewed and the failure forgotten', () => {
  const plan = document([node('a'), node('b'), node('c')], {
    settings: { timeoutMs: 60_000, onFailure: { nodes: [node('tell')] } },
  });
  const run = driveRun(plan);
  run.succeed('a');
  run.fail('b');
  run.succeed('onFailure.tell');
  const state = retryState(plan, run.state());
  expect(state).toEqual({
    format: 1,
    status: 'created',
    steps: { a: { status: 'succeeded', attempt: 1 }, b: { status: 'pending' }, c: { status: 'pending' } },
    edges: ['taken', 'open'],
  });
  expect(keptSteps(state)).toEqual([{ stepKey: 'a', loop: null }]);
  expect(firstStarts(plan, run.state())).toEqual(['b#1']);
  expect(transition(plan, state, { type: 'run.started', at: 1000 })[0].deadlineAt).toBe(61_000);
});

test('a run whose output could not be made goes straight to its output', () => {
  const plan = document([node('a')]);
  const run = driveRun(plan);
  run.succeed('a');
  const [failed] = transition(plan, run.state(), {
    ...{ type: 'output.failed', scope: '', at: 0 },
    error: { code: 'X', message: 'x' },
  });
  const [state, effects] = transition(plan, retryState(plan, failed), { type: 'run.started', at: 0 });
  expect(state.status).toBe('output');
  expect(effects.map(({ type }) => type)).toEqual(['evaluateOutput']);
});

test('a failure that something finished built upon stays, any other is tried again', () => {
  const edges = [
    { from: 'a', to: 'handler', branch: 'error' },
    { from: 'a', to: 'next' },
    { from: 'handler', to: 'last' },
    { from: 'side', to: 'last' },
  ];
  const nodes = [
    node('a', { onError: 'branch' }),
    node('side', { onError: 'continue' }),
    ...[node('handler'), node('next'), node('last')],
  ];
  const plan = document(nodes, { edges });
  const run = driveRun(plan);
  run.fail('a');
  run.succeed('handler');
  run.fail('side');
  run.fail('last');
  expect(keptSteps(retryState(plan, run.state())).map(({ stepKey }) => stepKey)).toEqual(['a', 'handler']);
  expect(firstStarts(plan, run.state())).toEqual(['side#1']);
});

test('what a join had no more need of is not begun again', () => {
  const nodes = [
    node('fast'),
    node('slow'),
    { id: 'join', type: 'parallel.join', config: { mode: 'any', cancelRest: true } },
    node('last'),
  ];
  const edges = [
    { from: 'fast', to: 'join' },
    { from: 'slow', to: 'join' },
    { from: 'join', to: 'last' },
  ];
  const plan = document(nodes, { edges });
  const run = driveRun(plan);
  run.succeed('fast');
  run.succeed('join');
  expect(run.step('slow')).toBe('cancelled');
  run.fail('last');
  expect(keptSteps(retryState(plan, run.state())).map(({ stepKey }) => stepKey)).toEqual(['fast', 'slow', 'join']);
  expect(firstStarts(plan, run.state())).toEqual(['last#1']);
});

const loop = (id: string, more: object = {}) => ({
  ...{ id, type: 'foreach' },
  config: { items: [1, 2, 3, 4], as: `${id}Item`, body: { nodes: [node(`${id}x`)] }, ...more },
});

/** The end of a run of these events. */
function after(plan: Plan, ...events: Parameters<typeof transition>[2][]): RunState {
  const started = transition(plan, initialState(plan), { type: 'run.started', at: 0 })[0];
  return events.reduce((state, event) => transition(plan, state, event)[0], started);
}
const begin = (stepKey: string, total: number) =>
  ({ type: 'loop.started', stepKey, attempt: 1, total, at: 0 }) as const;
const succeed = (stepKey: string) => ({ type: 'step.succeeded', stepKey, attempt: 1, at: 0 }) as const;
const evaluate = (scope: string) => ({ type: 'output.evaluated', scope, at: 0 }) as const;
const cancel = { type: 'run.cancelled', at: 0 } as const;

test('a loop that had ended keeps its end, and one in which nothing had finished starts over', () => {
  const plan = document([loop('one'), loop('two')]);
  const ended = after(plan, begin('one', 0), succeed('one'), begin('two', 2), cancel);
  expect(retryState(plan, ended).steps).toEqual({
    one: { status: 'succeeded', attempt: 1 },
    two: { status: 'pending' },
  });
  expect(firstStarts(plan, ended)).toEqual(['two#1']);
});

test('a loop goes on at the iteration that had not ended, however its run came to its end', () => {
  const plan = document([loop('each')]);
  const before = [begin('each', 4), succeed('each.0.eachx'), evaluate('each.0')];
  const broken = { code: 'X', message: 'x', retryable: false };
  const failed = after(plan, ...before, {
    ...{ type: 'step.failed', stepKey: 'each.1.eachx', attempt: 1, at: 0, random: 0 },
    error: broken,
  });
  for (const ended of [failed, after(plan, ...before, cancel), after(plan, ...before)]) {
    const created = retryState(plan, ended);
    expect(keptSteps(created)).toEqual([{ stepKey: 'each', loop: { next: 2, open: [1] } }]);
    expect(firstStarts(plan, ended)).toEqual(['each.1.eachx#1']);
  }
});

test('iterations that overtook one that had not ended are not done again, and a loop whose values are missing collects them', () => {
  const plan = document([loop('each', { concurrency: 2 })]);
  const overtaken = after(plan, begin('each', 4), succeed('each.1.eachx'), evaluate('each.1'), cancel);
  expect(keptSteps(retryState(plan, overtaken))).toEqual([{ stepKey: 'each', loop: { next: 3, open: [0, 2] } }]);
  expect(firstStarts(plan, overtaken)).toEqual(['each.0.eachx#1', 'each.2.eachx#1']);
  const both = [succeed('each.0.eachx'), evaluate('each.0'), succeed('each.1.eachx'), evaluate('each.1')];
  const ended = after(plan, begin('each', 2), ...both, cancel);
  const [, effects] = transition(plan, retryState(plan, ended), { type: 'run.started', at: 0 });
  expect(effects).toEqual([{ type: 'collectIterations', stepKey: 'each', total: 2 }]);
});

test('what had finished in an iteration that had not ended is kept too, in loops within loops as well', () => {
  const inner = { ...loop('in'), config: { items: [1, 2], as: 'deep', body: { nodes: [node('pay'), node('mail')] } } };
  const plan = document([loop('each', { body: { nodes: [node('first'), inner] }, concurrency: 2 })]);
  const before = [begin('each', 2), succeed('each.0.first'), begin('each.0.in', 2), succeed('each.0.in.0.pay')];
  const ended = after(plan, ...before, succeed('each.1.first'), cancel);
  const created = retryState(plan, ended);
  expect(keptSteps(created)).toEqual([
    { stepKey: 'each', loop: { next: 2, open: [0, 1] } },
    { stepKey: 'each.0.first', loop: null },
    { stepKey: 'each.0.in', loop: { next: 1, open: [0] } },
    { stepKey: 'each.0.in.0.pay', loop: null },
    { stepKey: 'each.1.first', loop: null },
  ]);
  expect(firstStarts(plan, ended)).toEqual(['each.0.in.0.mail#1', 'each.1.in#1']);
});

test('a loop behind a branch that was not taken goes on all the same', () => {
  const which = { id: 'which', type: 'condition', config: { if: true } };
  const edges = [
    { from: 'which', to: 'yes', branch: 'true' },
    { from: 'which', to: 'no', branch: 'false' },
    { from: 'no', to: 'never' },
    { from: 'yes', to: 'each' },
    { from: 'never', to: 'each' },
  ];
  const plan = document([which, node('yes'), node('no'), node('never'), loop('each')], { edges });
  const chosen = { ...succeed('which'), branch: 'true' };
  const before = [chosen, succeed('yes'), begin('each', 3), succeed('each.0.eachx'), evaluate('each.0')];
  const ended = after(plan, ...before, cancel);
  expect(keptSteps(retryState(plan, ended)).map(({ stepKey }) => stepKey)).toEqual(['which', 'yes', 'each']);
  expect(firstStarts(plan, ended)).toEqual(['each.1.eachx#1']);
});

test('an iteration whose steps had all finished goes straight to its value', () => {
  const plan = document([loop('each')]);
  const ended = after(plan, begin('each', 2), succeed('each.0.eachx'), cancel);
  const [, effects] = transition(plan, retryState(plan, ended), { type: 'run.started', at: 0 });
  expect(effects).toMatchObject([{ type: 'evaluateOutput', scope: 'each.0' }]);
});

test('a run that ended before iterations were kept goes on behind those that had ended one after another', () => {
  const plan = document([loop('each')]);
  const ended = after(plan, begin('each', 4), succeed('each.0.eachx'), evaluate('each.0'), cancel);
  const each = { status: 'cancelled', attempt: 1, reached: { total: 4, count: 1 } } as unknown as StepState;
  const old = { ...ended, steps: { each } };
  expect(keptSteps(retryState(plan, old))).toEqual([{ stepKey: 'each', loop: { next: 1, open: [] } }]);
  expect(firstStarts(plan, old)).toEqual(['each.1.eachx#1']);
});

test('a loop whose items may be others now starts over', () => {
  const plan = document([node('side', { onError: 'continue' }), loop('each')]);
  const ended = after(
    plan,
    {
      type: 'step.failed',
      stepKey: 'side',
      attempt: 1,
      at: 0,
      random: 0,
      error: { code: 'X', message: '', retryable: false },
    },
    ...[begin('each', 4), succeed('each.0.eachx'), evaluate('each.0'), cancel],
  );
  expect(firstStarts(plan, ended)).toEqual(['side#1']);
});
