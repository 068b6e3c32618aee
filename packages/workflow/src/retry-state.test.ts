import { expect, test } from 'vitest';
import type { Plan } from './plan.ts';
import { keptSteps, retryState } from './retry-state.ts';
import type { RunState } from './state.ts';
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
  expect(keptSteps(state)).toEqual(['a']);
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
  expect(keptSteps(retryState(plan, run.state()))).toEqual(['a', 'handler']);
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
  expect(keptSteps(retryState(plan, run.state()))).toEqual(['fast', 'slow', 'join']);
  expect(firstStarts(plan, run.state())).toEqual(['last#1']);
});

test('a loop that had not ended starts over, one that had keeps its end', () => {
  const loop = (id: string) => ({
    ...{ id, type: 'foreach' },
    config: { items: [1, 2], as: `${id}Item`, concurrency: 1, body: { nodes: [node(`${id}x`)] } },
  });
  const plan = document([loop('one'), loop('two')]);
  const run = driveRun(plan);
  let state = run.state();
  const send = (event: Parameters<typeof transition>[2]) => {
    [state] = transition(plan, state, event);
  };
  send({ type: 'run.started', at: 0 });
  send({ type: 'loop.started', stepKey: 'one', attempt: 1, total: 0, at: 0 });
  send({ type: 'step.succeeded', stepKey: 'one', attempt: 1, at: 0 });
  send({ type: 'loop.started', stepKey: 'two', attempt: 1, total: 2, at: 0 });
  send({ type: 'step.succeeded', stepKey: 'two.0.twox', attempt: 1, at: 0 });
  send({ type: 'run.cancelled', at: 0 });
  expect(retryState(plan, state).steps).toEqual({
    one: { status: 'succeeded', attempt: 1 },
    two: { status: 'pending' },
  });
  expect(firstStarts(plan, state)).toEqual(['two#1']);
});
