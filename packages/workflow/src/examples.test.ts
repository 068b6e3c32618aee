import { expect, test } from 'vitest';
import type { Json } from './json.ts';
import { resume } from './resume.ts';
import { countAttempts, runStatus } from './run-status.ts';
import { planOf } from './testing.ts';
import { type MemoryHost, startRun } from './testing-host.ts';

const trigger = { type: 'trigger.manual' };
const statusesOf = (host: MemoryHost, ...keys: string[]) => keys.map((key) => host.statuses.get(key));

// A. Diamond, skipped branch

const diamond = {
  version: 'v2',
  trigger,
  nodes: [
    { id: 'big', type: 'condition', config: { if: '{% $trigger.input.total > 100 %}' } },
    { id: 'ask', type: 'approval', config: { by: 'admin' } },
    { id: 'book', type: 'transform', config: { value: { by: '{% $steps.ask.output.decidedBy %}' } } },
  ],
  edges: [
    { from: 'big', to: 'ask', branch: 'true' },
    { from: 'ask', to: 'book', branch: 'approved' },
    { from: 'big', to: 'book', branch: 'false' },
  ],
};

async function decide(host: MemoryHost, branch: string): Promise<void> {
  host.outputs.set('ask', { decision: branch, decidedBy: 'user-1', note: null });
  host.statuses.set('ask', 'succeeded');
  await host.send({ type: 'step.resumed', stepKey: 'ask', branch, at: 1 });
}

test.each<[string, Json]>([
  ['5', { total: 5 }],
  ['none', {}],
])('example A: with a total of %s ask is skipped and book runs once', async (_name, input) => {
  const host = await startRun(planOf(diamond), { input });
  expect(statusesOf(host, 'ask', 'book')).toEqual(['skipped', 'succeeded']);
  expect(host.started).toEqual(['big#1', 'book#1']);
  expect(host.output).toEqual({ by: null });
});

test('example A: with 500 the run waits for the approval, then book runs once', async () => {
  const host = await startRun(planOf(diamond), { input: { total: 500 } });
  expect(runStatus(host.state)).toEqual({ status: 'waiting', nextAttemptAt: null });
  await decide(host, 'approved');
  expect(host.started).toEqual(['big#1', 'ask#1', 'book#1']);
  expect(host.output).toEqual({ by: 'user-1' });
});

test('example A: rejected, book is skipped and the run succeeds with the output of ask', async () => {
  const host = await startRun(planOf(diamond), { input: { total: 500 } });
  await decide(host, 'rejected');
  expect(host.statuses.get('book')).toBe('skipped');
  expect(host.output).toEqual({ decision: 'rejected', decidedBy: 'user-1', note: null });
});

test('example A: cancelled while asked, ask and book are cancelled and there is no output', async () => {
  const host = await startRun(planOf(diamond), { input: { total: 500 } });
  await host.send({ type: 'run.cancelled', at: 1 });
  expect(statusesOf(host, 'ask', 'book')).toEqual(['cancelled', 'cancelled']);
  expect(host.output).toBeUndefined();
  expect(host.state.status).toBe('cancelled');
});

// B. Two of three

const call = (id: string, more: object = {}) => ({
  id,
  type: 'http.request',
  onError: 'branch',
  config: { method: 'GET', url: 'https://api.example.com' },
  ...more,
});
const twoOfThree = {
  version: 'v2',
  trigger,
  nodes: [
    ...['a', 'b', 'c'].map((id) => call(id)),
    { id: 'two', type: 'parallel.join', config: { mode: 'count', count: 2, cancelRest: true } },
    { id: 'note', type: 'transform', config: { value: "{% $steps.a.error.code ?? 'ok' %}" } },
  ],
  edges: ['a', 'b', 'c'].flatMap((from) => [
    { from, to: 'two' },
    { from, to: 'note', branch: 'error' },
  ]),
};
const done = (output: Json) => [{ output }];
const broken = [{ error: { code: 'HTTP_STATUS' } }];

test('example B: a and b done, two starts with them and c is cancelled', async () => {
  const host = await startRun(planOf(twoOfThree), { answers: { a: done(1), b: done(2) } });
  expect(statusesOf(host, 'c', 'note')).toEqual(['cancelled', 'skipped']);
  expect(host.output).toEqual({ a: 1, b: 2 });
});

test('example B: a fails, b and c are enough, and the note says why', async () => {
  const host = await startRun(planOf(twoOfThree), { answers: { a: broken, b: done(2), c: done(3) } });
  expect(host.output).toEqual({ two: { b: 2, c: 3 }, note: 'HTTP_STATUS' });
});

test('example B: a and b fail, two fails and so does the run', async () => {
  const host = await startRun(planOf(twoOfThree), { answers: { a: broken, b: broken, c: done(3) } });
  expect(host.error).toMatchObject({ code: 'JOIN_UNSATISFIED', stepId: 'two' });
});

test('example B: all three fail, two is skipped and the run answers with the note', async () => {
  const host = await startRun(planOf(twoOfThree), { answers: { a: broken, b: broken, c: broken } });
  expect(host.statuses.get('two')).toBe('skipped');
  expect(host.output).toBe('HTTP_STATUS');
});

// C. Condition inside foreach

const orders = (onItemError: string) => ({
  version: 'v2',
  trigger,
  nodes: [
    {
      id: 'each',
      type: 'foreach',
      config: {
        items: '{% $trigger.input.orders %}',
        concurrency: 5,
        onItemError,
        body: {
          output: '{% $steps.send.output.body.id %}',
          nodes: [
            { id: 'paid', type: 'condition', config: { if: '{% $item.paid %}' } },
            {
              id: 'send',
              type: 'http.request',
              retry: { maxAttempts: 2, backoffMs: 100 },
              config: { method: 'POST', url: 'https://api.example.com/orders', body: '{% $item %}' },
            },
          ],
          edges: [{ from: 'paid', to: 'send', branch: 'true' }],
        },
      },
    },
  ],
});
const threeOrders = { orders: [{ paid: true }, { paid: false }, { paid: true }] };
const orderAnswers = {
  'each.0.send': done({ body: { id: 'id-1' } }),
  'each.2.send': [{ error: { code: 'HTTP_STATUS', message: 'answered 500', retryable: true } }],
};

test('example C: collect keeps the good values and puts an error in the place of the bad one', async () => {
  const host = await startRun(planOf(orders('collect')), { input: threeOrders, answers: orderAnswers });
  expect(runStatus(host.state)).toEqual({ status: 'queued', nextAttemptAt: 50 });
  await host.send({ type: 'time.passed', at: 100 });
  expect(host.output).toEqual([
    'id-1',
    null,
    { error: { code: 'HTTP_STATUS', message: 'answered 500', stepId: 'each.2.send' } },
  ]);
  expect(host.statuses.get('each.1.send')).toBe('skipped');
});

test('example C: fail ends the foreach and the run at the bad item', async () => {
  const host = await startRun(planOf(orders('fail')), { input: threeOrders, answers: orderAnswers });
  await host.send({ type: 'time.passed', at: 100 });
  expect(host.statuses.get('each')).toBe('failed');
  expect(host.error).toEqual({ code: 'HTTP_STATUS', message: 'answered 500', stepId: 'each.2.send' });
});

test('example C: without orders the output is an empty list', async () => {
  const host = await startRun(planOf(orders('collect')), { input: {} });
  expect(host.output).toEqual([]);
});

// D. Retry, then error branch

const charge = (more: object = {}) => ({
  version: 'v2',
  trigger,
  nodes: [
    {
      ...call('charge', { retry: { maxAttempts: 3, backoffMs: 1000 }, ...more }),
      config: { method: 'POST', url: 'https://api.example.com', body: { amount: '{% $trigger.input.amount %}' } },
    },
    { id: 'ok', type: 'transform', config: { value: 'paid' } },
    { id: 'sorry', type: 'transform', config: { value: '{% $steps.charge.error.code %}' } },
  ],
  edges: [
    { from: 'charge', to: 'ok' },
    { from: 'charge', to: 'sorry', branch: 'error' },
  ],
});
const unavailable = { error: { code: 'HTTP_STATUS', retryable: true } };

test('example D: 503, 503, 200: the run is queued in each pause and ok runs after three attempts', async () => {
  const host = await startRun(planOf(charge()), { answers: { charge: [unavailable, unavailable, { output: 1 }] } });
  for (const pause of [500, 1000]) {
    expect(runStatus(host.state)).toEqual({ status: 'queued', nextAttemptAt: pause });
    await host.send({ type: 'time.passed', at: pause });
  }
  expect(countAttempts(host.state)).toBe(3);
  expect(host.statuses.get('sorry')).toBe('skipped');
  expect(host.output).toBe('paid');
});

test('example D: 402 is not tried again, sorry runs and the run succeeds', async () => {
  const host = await startRun(planOf(charge()), { answers: { charge: broken } });
  expect(host.output).toBe('HTTP_STATUS');
});

test('example D: a worker is killed in an attempt: sent again under the same attempt, or a person decides', async () => {
  const withKey = planOf(charge());
  const host = await startRun(withKey);
  expect(resume(withKey, host.state, 5)[1]).toEqual([
    { type: 'startStep', stepKey: 'charge', attempt: 1, collect: null },
  ]);
  const without = planOf(charge({ idempotency: 'none' }));
  const [state, effects] = resume(without, (await startRun(without)).state, 5);
  expect(effects).toEqual([{ type: 'waitStep', stepKey: 'charge', attempt: 1, for: 'decision', dueAt: null }]);
  expect(runStatus(state)).toEqual({ status: 'waiting', nextAttemptAt: null });
});
