import { expect, test } from 'vitest';
import type { Effect } from './effects.ts';
import { outputSource } from './output.ts';
import { resume } from './resume.ts';
import { countAttempts, runStatus } from './run-status.ts';
import { initialState } from './state.ts';
import { driveRun, planOf } from './testing.ts';
import { transition } from './transition.ts';

const trigger = { type: 'trigger.manual' };
const node = (id: string, more: object = {}) => ({ id, type: 'transform', config: { value: 1 }, ...more });
const condition = (id: string) => ({ id, type: 'condition', config: { if: true } });
const join = (id: string, config: object, more: object = {}) => ({ id, type: 'parallel.join', config, ...more });
const edge = (text: string) => {
  const [from, to, branch] = text.split(' ');
  return branch === undefined ? { from, to } : { from, to, branch };
};
const plan = (nodes: object[], edges?: string[], more: object = {}) =>
  planOf({ version: 'v2', trigger, nodes, ...(edges === undefined ? {} : { edges: edges.map(edge) }), ...more });
const drive = (nodes: object[], edges?: string[], more: object = {}) => driveRun(plan(nodes, edges, more));
const finished = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === 'finishRun');

test('nodes without edges run one after the other in written order', () => {
  const run = drive([node('a'), node('b')]);
  expect(run.started()).toEqual(['a#1']);
  run.succeed('a');
  expect(run.started()).toEqual(['a#1', 'b#1']);
});

test('nodes without incoming edges start with the run, several edges go on in parallel', () => {
  const run = drive([node('a'), node('b'), node('c'), node('d')], ['a c', 'a d', 'b d']);
  expect(run.started()).toEqual(['a#1', 'b#1']);
  run.succeed('a');
  expect(run.started()).toEqual(['a#1', 'b#1', 'c#1']);
  run.succeed('b');
  expect(run.started()).toEqual(['a#1', 'b#1', 'c#1', 'd#1']);
});

test('a chosen branch and edges without a branch are taken, other branches are dead', () => {
  const run = drive(
    [condition('if'), node('yes'), node('no'), node('always')],
    ['if yes true', 'if no false', 'if always'],
  );
  run.succeed('if', 'true');
  expect(run.step('yes')).toBe('running');
  expect(run.step('no')).toBe('skipped');
  expect(run.step('always')).toBe('running');
});

test.each(['true', 'false'])('a node behind a diamond runs once when the branch is %s', (branch) => {
  const run = drive([condition('big'), node('ask'), node('book')], ['big ask true', 'ask book', 'big book false']);
  run.succeed('big', branch);
  if (branch === 'true') {
    expect(run.step('book')).toBe('pending');
    run.succeed('ask');
  } else {
    expect(run.step('ask')).toBe('skipped');
  }
  expect(run.started().filter((started) => started.startsWith('book'))).toEqual(['book#1']);
});

test('skipping spreads along dead edges', () => {
  const run = drive([condition('if'), node('a'), node('b'), node('c')], ['if a true', 'a b', 'b c']);
  run.succeed('if', 'false');
  expect(['a', 'b', 'c'].map(run.step)).toEqual(['skipped', 'skipped', 'skipped']);
  run.finish();
  expect(run.state().status).toBe('succeeded');
});

test('the run succeeds only after its output was evaluated', () => {
  const run = drive([node('a')]);
  run.succeed('a');
  expect(run.state().status).toBe('output');
  expect(runStatus(run.state()).status).toBe('running');
  expect(run.effects.at(-1)).toEqual({ type: 'evaluateOutput', scope: '', source: { type: 'steps', stepKeys: ['a'] } });
  run.finish();
  expect(run.effects.at(-1)).toEqual({ type: 'finishRun', status: 'succeeded' });
});

test('a run whose output cannot be evaluated fails without blaming a step', () => {
  const run = drive([node('a')]);
  run.succeed('a');
  const error = { code: 'EXPRESSION_NO_VALUE', message: 'no value' };
  const [state, effects] = transition(plan([node('a')]), run.state(), {
    type: 'output.failed',
    scope: '',
    error,
    at: 0,
  });
  expect(state.status).toBe('failed');
  expect(effects).toEqual([{ type: 'finishRun', status: 'failed', error }]);
});

// Failing and retrying

test('a retryable failure is tried again after a pause until the attempts are used up', () => {
  const run = drive([node('a', { retry: { maxAttempts: 3, backoffMs: 100, jitter: false } })]);
  run.fail('a', { retryable: true });
  expect(run.effects.at(-1)).toMatchObject({ type: 'retryStep', stepKey: 'a', attempt: 2, dueAt: 100 });
  expect(runStatus(run.state())).toEqual({ status: 'queued', nextAttemptAt: 100 });
  run.retryDue(99);
  expect(run.started()).toEqual(['a#1']);
  run.retryDue(100);
  run.fail('a', { retryable: true });
  expect(runStatus(run.state())).toEqual({ status: 'queued', nextAttemptAt: 200 });
  run.retryDue(200);
  run.fail('a', { retryable: true });
  expect(run.started()).toEqual(['a#1', 'a#2', 'a#3']);
  expect(countAttempts(run.state())).toBe(3);
  expect(finished(run.effects)).toEqual([
    { type: 'finishRun', status: 'failed', error: { code: 'BOOM', message: 'it broke', stepId: 'a' } },
  ]);
});

test('a failure that is not retryable, or not among the codes of `on`, is final at once', () => {
  const final = drive([node('a')]);
  final.fail('a', { retryable: false });
  expect(final.state().status).toBe('failed');
  const other = drive([node('a', { retry: { on: ['NETWORK'] } })]);
  other.fail('a', { retryable: true, code: 'TIMEOUT' });
  expect(other.state().status).toBe('failed');
  const listed = drive([node('a', { retry: { on: ['NETWORK'] } })]);
  listed.fail('a', { retryable: true, code: 'NETWORK' });
  expect(listed.step('a')).toBe('waiting');
});

test('every attempt has the time of the first one, whoever makes it, when expressions may ask for it', () => {
  const none = { idempotency: 'none', retry: { maxAttempts: 3, backoffMs: 100, jitter: false } };
  const send = (value: string) => ({ type: 'http.request', config: { method: 'GET', url: value }, ...none });
  const asking = plan([node('a'), { id: 'b', ...send('{% "https://a.test/" & $millis() %}') }]);
  let [state] = transition(asking, initialState(asking), { type: 'run.started', at: 5 });
  const event = (next: Parameters<typeof transition>[2]) => {
    [state] = transition(asking, state, next);
    return state.steps.b;
  };
  const error = { code: 'NETWORK', message: 'it broke', retryable: true };
  const first = event({ type: 'step.succeeded', stepKey: 'a', attempt: 1, at: 10 });
  expect(first).toMatchObject({ status: 'running', attempt: 1, since: 10 });
  event({ type: 'step.failed', stepKey: 'b', attempt: 1, error, at: 20, random: 0 });
  expect(event({ type: 'time.passed', at: 120 })).toMatchObject({ status: 'running', attempt: 2, since: 10 });
  [state] = resume(asking, state, 200);
  expect(state.steps.b).toMatchObject({ status: 'waiting', for: 'decision', since: 10 });
  const retried = event({ type: 'step.decided', stepKey: 'b', attempt: 2, decision: 'retry', at: 300 });
  expect(retried).toMatchObject({ status: 'running', attempt: 3, since: 10 });
  expect(drive([node('a')]).state().steps.a).not.toHaveProperty('since');
});

test('a run with a running step beside a due retry is running, not queued', () => {
  const run = drive([node('a'), node('b'), node('c')], ['a c', 'b c']);
  run.fail('a', { retryable: true });
  expect(runStatus(run.state())).toEqual({ status: 'running', nextAttemptAt: null });
  run.succeed('b');
  expect(runStatus(run.state()).status).toBe('queued');
});

test('onError fail: the run fails with this error, siblings are aborted, pending steps skipped', () => {
  const nodes = [node('a'), node('b'), node('slow', { retry: { maxAttempts: 2 } }), node('c')];
  const run = drive(nodes, ['a c', 'b c', 'slow c']);
  run.fail('slow', { retryable: true });
  run.fail('a');
  expect(['a', 'b', 'slow', 'c'].map(run.step)).toEqual(['failed', 'cancelled', 'cancelled', 'skipped']);
  expect(run.effects.slice(-5)).toEqual([
    { type: 'failStep', stepKey: 'a', error: { code: 'BOOM', message: 'it broke', retryable: false } },
    { type: 'abortStep', stepKey: 'b' },
    { type: 'cancelStep', stepKey: 'slow' },
    { type: 'skipStep', stepKey: 'c' },
    { type: 'finishRun', status: 'failed', error: { code: 'BOOM', message: 'it broke', stepId: 'a' } },
  ]);
});

test('the first failure wins and later ones are ignored', () => {
  const run = drive([node('a'), node('b'), node('c')], ['a c', 'b c']);
  run.fail('a', { code: 'FIRST' });
  run.fail('b', { code: 'SECOND' });
  expect(finished(run.effects)).toMatchObject([{ error: { code: 'FIRST', stepId: 'a' } }]);
});

test('onError continue: the step stays failed and its plain edges are taken', () => {
  const run = drive([node('a', { onError: 'continue' }), node('b')], ['a b']);
  run.fail('a');
  expect(run.step('a')).toBe('failed');
  expect(run.step('b')).toBe('running');
});

test('onError continue on a condition takes none of its branches', () => {
  const nodes = [{ ...condition('if'), onError: 'continue' }, node('yes'), node('after')];
  const run = drive(nodes, ['if yes true', 'if after']);
  run.fail('if');
  expect(['yes', 'after'].map(run.step)).toEqual(['skipped', 'running']);
});

test('onError branch: only the error edges are taken', () => {
  const run = drive(
    [node('charge', { onError: 'branch' }), node('ok'), node('sorry')],
    ['charge ok', 'charge sorry error'],
  );
  run.fail('charge');
  expect(['ok', 'sorry'].map(run.step)).toEqual(['skipped', 'running']);
  const good = drive(
    [node('charge', { onError: 'branch' }), node('ok'), node('sorry')],
    ['charge ok', 'charge sorry error'],
  );
  good.succeed('charge');
  expect(['ok', 'sorry'].map(good.step)).toEqual(['running', 'skipped']);
});

test('retry, then error branch: three attempts of 503, 503, 200 go on, a 402 takes the error edge at once', () => {
  const nodes = [
    node('charge', { onError: 'branch', retry: { maxAttempts: 3, backoffMs: 1000, jitter: false } }),
    node('ok'),
    node('sorry'),
  ];
  const edges = ['charge ok', 'charge sorry error'];
  const run = drive(nodes, edges);
  for (const dueAt of [1000, 2000]) {
    run.fail('charge', { code: 'HTTP_STATUS', retryable: true });
    expect(runStatus(run.state())).toEqual({ status: 'queued', nextAttemptAt: dueAt });
    run.retryDue(dueAt);
  }
  run.succeed('charge');
  expect([run.step('ok'), run.step('sorry'), countAttempts(run.state())]).toEqual(['running', 'skipped', 3]);
  const refused = drive(nodes, edges);
  refused.fail('charge', { code: 'HTTP_STATUS', retryable: false });
  refused.succeed('sorry');
  refused.finish();
  expect(refused.state().status).toBe('succeeded');
});

// Joins

const three = [node('a'), node('b'), node('c')];
const toJoin = ['a j', 'b j', 'c j'];

test('a join of mode all starts when every edge is settled and collects the taken ones', () => {
  const run = drive(
    [condition('if'), node('x'), node('y'), join('j', { mode: 'all' })],
    ['if x true', 'if y', 'x j', 'y j'],
  );
  run.succeed('if', 'false');
  run.succeed('y');
  expect(run.effects.at(-1)).toEqual({ type: 'startStep', stepKey: 'j', attempt: 1, collect: ['y'] });
});

test('a join of mode any starts at the first taken edge, ignores later ones and lets the rest go on', () => {
  const run = drive([...three, join('j', { mode: 'any' })], toJoin);
  run.succeed('b');
  expect(run.effects.at(-1)).toEqual({ type: 'startStep', stepKey: 'j', attempt: 1, collect: ['b'] });
  run.succeed('j');
  expect(run.step('a')).toBe('running');
  run.succeed('a');
  run.succeed('c');
  expect(run.started().filter((started) => started.startsWith('j'))).toEqual(['j#1']);
  expect(run.state().status).toBe('output');
});

test('a join of mode count starts when that many edges are taken', () => {
  const run = drive([...three, join('j', { mode: 'count', count: 2 })], toJoin);
  run.succeed('c');
  expect(run.step('j')).toBe('pending');
  run.succeed('a');
  expect(run.effects.at(-1)).toEqual({ type: 'startStep', stepKey: 'j', attempt: 1, collect: ['a', 'c'] });
});

test('a join fails JOIN_UNSATISFIED when some but too few edges are taken, and its onError decides', () => {
  const nodes = (more: object) => [
    condition('if'),
    node('a'),
    node('b'),
    join('j', { mode: 'count', count: 2 }, more),
    node('after'),
  ];
  const edges = ['if a true', 'if b false', 'a j', 'b j', 'j after'];
  const run = drive(nodes({}), edges);
  run.succeed('if', 'true');
  run.succeed('a');
  expect(finished(run.effects)).toMatchObject([{ status: 'failed', error: { code: 'JOIN_UNSATISFIED', stepId: 'j' } }]);
  const handled = drive(nodes({ onError: 'continue' }), edges);
  handled.succeed('if', 'true');
  handled.succeed('a');
  expect([handled.step('j'), handled.step('after')]).toEqual(['failed', 'running']);
});

test('cancelRest cancels what only leads to the join and nothing else', () => {
  const nodes = [
    node('fast'),
    node('slow'),
    node('next'),
    node('shared'),
    node('log'),
    join('j', { mode: 'any', cancelRest: true }),
  ];
  const run = drive(nodes, ['fast j', 'slow next', 'next j', 'shared j', 'shared log']);
  run.succeed('fast');
  expect(['slow', 'next', 'shared', 'log', 'j'].map(run.step)).toEqual([
    'cancelled',
    'cancelled',
    'running',
    'pending',
    'running',
  ]);
  expect(run.effects).toContainEqual({ type: 'abortStep', stepKey: 'slow' });
  expect(run.effects).toContainEqual({ type: 'cancelStep', stepKey: 'next' });
});

const call = (id: string) => ({
  id,
  type: 'http.request',
  onError: 'branch',
  config: { method: 'GET', url: 'https://api.example.com' },
});
const twoOfThree = () =>
  drive(
    [
      call('a'),
      call('b'),
      call('c'),
      join('two', { mode: 'count', count: 2, cancelRest: true }),
      { id: 'note', type: 'transform', config: { value: "{% $steps.a.error.code ?? 'ok' %}" } },
    ],
    ['a two', 'b two', 'c two', 'a note error', 'b note error', 'c note error'],
  );

test('two of three: the third is cancelled as soon as two are done', () => {
  const run = twoOfThree();
  run.succeed('a');
  run.succeed('b');
  expect(run.effects).toContainEqual({ type: 'startStep', stepKey: 'two', attempt: 1, collect: ['a', 'b'] });
  expect([run.step('c'), run.step('note')]).toEqual(['cancelled', 'skipped']);
  run.succeed('two');
  expect(run.effects.at(-1)).toEqual({
    type: 'evaluateOutput',
    scope: '',
    source: { type: 'steps', stepKeys: ['two'] },
  });
});

test('two of three: one failure leaves enough, and the note says so', () => {
  const run = twoOfThree();
  run.fail('a', { code: 'HTTP_STATUS' });
  run.succeed('b');
  run.succeed('c');
  expect(run.effects).toContainEqual({ type: 'startStep', stepKey: 'two', attempt: 1, collect: ['b', 'c'] });
  run.succeed('two');
  run.succeed('note');
  expect(run.effects.at(-1)).toEqual({
    type: 'evaluateOutput',
    scope: '',
    source: { type: 'steps', stepKeys: ['two', 'note'] },
  });
});

test('two of three: two failures fail the join and the run', () => {
  const run = twoOfThree();
  run.fail('a');
  run.fail('b');
  run.succeed('c');
  expect(finished(run.effects)).toMatchObject([
    { status: 'failed', error: { code: 'JOIN_UNSATISFIED', stepId: 'two' } },
  ]);
});

test('two of three: three failures skip the join and the run succeeds with the note', () => {
  const run = twoOfThree();
  for (const id of ['a', 'b', 'c']) {
    run.fail(id);
  }
  expect([run.step('two'), run.step('note')]).toEqual(['skipped', 'running']);
  run.succeed('note');
  expect(run.effects.at(-1)).toEqual({
    type: 'evaluateOutput',
    scope: '',
    source: { type: 'steps', stepKeys: ['note'] },
  });
});

// Output

test('without an output the succeeded ends count, but not conditions', () => {
  const run = drive([condition('if'), node('a'), node('b')], ['if a true', 'if b false']);
  run.succeed('if', 'true');
  run.succeed('a');
  expect(
    outputSource(plan([condition('if'), node('a'), node('b')], ['if a true', 'if b false']), run.state(), ''),
  ).toEqual({
    type: 'steps',
    stepKeys: ['a'],
  });
});

test('a node whose chosen branch leads nowhere ends the run with its own output', () => {
  const nodes = [node('first', { onError: 'branch' }), node('fix')];
  const run = drive(nodes, ['first fix error']);
  run.succeed('first');
  expect(run.effects.at(-1)).toEqual({
    type: 'evaluateOutput',
    scope: '',
    source: { type: 'steps', stepKeys: ['first'] },
  });
});

test('a written output wins over the ends', () => {
  const run = drive([node('a'), node('b')], undefined, { output: { x: '{% $steps.a.output %}' } });
  run.succeed('a');
  run.succeed('b');
  expect(run.effects.at(-1)).toMatchObject({ source: { type: 'tree', tree: { reads: ['a'], isPlain: true } } });
});

// Cancelling, repeating, resuming

test('cancelling aborts what runs, cancels what is open, and no later event changes the run', () => {
  const run = drive([node('a'), node('b'), node('c', { onError: 'branch' }), node('d')], ['a b', 'c d error']);
  run.cancel();
  expect(['a', 'b', 'c', 'd'].map(run.step)).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
  expect(run.effects.slice(2)).toEqual([
    { type: 'abortStep', stepKey: 'a' },
    { type: 'cancelStep', stepKey: 'b' },
    { type: 'abortStep', stepKey: 'c' },
    { type: 'cancelStep', stepKey: 'd' },
    { type: 'finishRun', status: 'cancelled' },
  ]);
  const before = run.state();
  run.succeed('a');
  run.retryDue(1e12);
  run.start();
  run.finish();
  expect(run.state()).toBe(before);
});

test('a run can be cancelled before it starts and while it waits for a retry', () => {
  const thePlan = plan([node('a')]);
  const [state, effects] = transition(thePlan, initialState(thePlan), { type: 'run.cancelled', at: 0 });
  expect(state.status).toBe('cancelled');
  expect(effects).toEqual([
    { type: 'cancelStep', stepKey: 'a' },
    { type: 'finishRun', status: 'cancelled' },
  ]);
  const run = drive([node('a')]);
  run.fail('a', { retryable: true });
  run.cancel();
  expect(run.effects.slice(-2)).toEqual(effects);
});

test('a result of an attempt that is over is ignored', () => {
  const thePlan = plan([node('a')]);
  const run = driveRun(thePlan);
  run.fail('a', { retryable: true });
  run.retryDue(1e12);
  const late = { type: 'step.failed', stepKey: 'a', attempt: 1, at: 0, random: 0 } as const;
  const error = { code: 'LATE', message: 'late', retryable: false };
  expect(transition(thePlan, run.state(), { ...late, error })[0]).toBe(run.state());
  expect(transition(thePlan, run.state(), { type: 'step.succeeded', stepKey: 'a', attempt: 1, at: 0 })[0]).toBe(
    run.state(),
  );
});

test.each(['nobody', 'constructor', '__proto__', 'toString'])(
  'an event for the unknown step %s is ignored',
  (stepKey) => {
    const thePlan = plan([node('a')]);
    const { state } = driveRun(thePlan);
    const error = { code: 'X', message: 'x', retryable: true };
    expect(transition(thePlan, state(), { type: 'step.succeeded', stepKey, attempt: 1, at: 0 })).toEqual([state(), []]);
    expect(transition(thePlan, state(), { type: 'step.failed', stepKey, attempt: 1, error, at: 0, random: 0 })).toEqual(
      [state(), []],
    );
  },
);

test('a new owner runs again only what was running, with the same attempt number, and starts due retries', () => {
  const nodes = [
    node('done'),
    node('busy'),
    node('soon', { retry: { backoffMs: 10, jitter: false } }),
    node('late'),
    node('end'),
  ];
  const thePlan = plan(nodes, ['done end', 'busy end', 'soon end', 'late end']);
  const run = driveRun(thePlan);
  run.succeed('done');
  run.fail('soon', { retryable: true });
  run.fail('late', { retryable: true });
  const [state, effects] = resume(thePlan, JSON.parse(JSON.stringify(run.state())), 10);
  expect(effects).toEqual([
    { type: 'startStep', stepKey: 'busy', attempt: 1, collect: null },
    { type: 'startStep', stepKey: 'soon', attempt: 2, collect: null },
  ]);
  expect(state.steps.late).toMatchObject({ status: 'waiting' });
});

test('a new owner begins a run nobody began, evaluates a missing output, and leaves an ended run alone', () => {
  const thePlan = plan([node('a')]);
  expect(resume(thePlan, initialState(thePlan), 0)[1]).toEqual([
    { type: 'startStep', stepKey: 'a', attempt: 1, collect: null },
  ]);
  const run = driveRun(thePlan);
  run.succeed('a');
  expect(resume(thePlan, run.state(), 0)[1]).toEqual([
    { type: 'evaluateOutput', scope: '', source: { type: 'steps', stepKeys: ['a'] } },
  ]);
  run.finish();
  expect(resume(thePlan, run.state(), 0)).toEqual([run.state(), []]);
});

test('a join that is repeated collects the same steps as before', () => {
  const thePlan = plan([...three, join('j', { mode: 'any' })], toJoin);
  const run = driveRun(thePlan);
  run.succeed('b');
  run.succeed('a');
  expect(resume(thePlan, run.state(), 0)[1]).toContainEqual({
    type: 'startStep',
    stepKey: 'j',
    attempt: 1,
    collect: ['b'],
  });
});

test('node names that are also names of object properties are ordinary nodes', () => {
  const run = drive([node('constructor'), node('toString'), node('hasOwnProperty')]);
  for (const id of ['constructor', 'toString', 'hasOwnProperty']) {
    expect(run.step(id)).toBe('running');
    run.succeed(id);
  }
  expect(run.state().status).toBe('output');
});
