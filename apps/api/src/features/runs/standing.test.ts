import type { Standing } from '@millrace/shared/contracts/runs';
import type { RunState, StepState } from '@millrace/workflow/state';
import { expect, it } from 'vitest';
import { type StandingFacts, standingOf } from './standing.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const BASE: StandingFacts = {
  ...{ nowMs: NOW, status: 'queued', state: null, createdAt: NOW - 12_000, nextAttemptAt: null, leaseUntil: null },
  ...{ held: null, hasUnread: false, openSteps: [], workerCount: 1, sweepMs: 1_000 },
};

function stateOf(steps: Record<string, StepState>): RunState {
  return { format: 1, status: 'running', steps, edges: [] };
}

function waits(awaited: Extract<StepState, { status: 'waiting' }>['for'], dueAt: number | null): StepState {
  return { status: 'waiting', for: awaited, attempt: 1, dueAt, collect: null };
}

const at = (ms: number) => new Date(ms).toISOString();
const waiting = (state: RunState, nextAttemptAt: number | null = null) =>
  ({ status: 'waiting', state, nextAttemptAt }) as const;

const CASES: [string, Partial<StandingFacts>, Partial<Standing>][] = [
  ['a queued run', {}, { code: 'WAITING_FOR_WORKER', message: expect.stringContaining('for 12 s'), until: null }],
  [
    'a run behind others of its organization',
    { held: { by: 'organization', limit: null, key: null }, workerCount: null },
    { code: 'WAITING_FOR_TURN', until: null },
  ],
  [
    'a run behind others of its workflow',
    { held: { by: 'concurrency', limit: 3, key: 'order 7' } },
    {
      code: 'CONCURRENCY_LIMIT',
      message: expect.stringContaining('3 of 3 runs of its workflow with the key order 7'),
      until: null,
    },
  ],
  ['a queued run without Redis', { workerCount: null }, { code: 'QUEUE_UNAVAILABLE', until: null }],
  [
    'a queued run without a worker',
    { workerCount: 0 },
    { code: 'NO_WORKER', message: expect.stringContaining('12 s') },
  ],
  [
    'a run with a step under way',
    { status: 'running', leaseUntil: NOW + 5_000, openSteps: [{ stepKey: 'a', startedAt: NOW - 3_000 }] },
    { code: 'EXECUTING', message: 'A worker executes step a since 2026-01-01 11:59:57 UTC.', stepIds: ['a'] },
  ],
  [
    'a run between two steps',
    { status: 'running', leaseUntil: NOW + 5_000, workerCount: null },
    { code: 'EXECUTING', message: 'A worker executes the run.', stepIds: [] },
  ],
  [
    'a run with many steps under way',
    {
      ...{ status: 'running', leaseUntil: NOW },
      openSteps: Array.from({ length: 20 }, (_, n) => ({ stepKey: `loop.${n}.a`, startedAt: null })),
    },
    { code: 'EXECUTING', message: 'A worker executes 20 steps (loop.0.a first).' },
  ],
  [
    'a run whose worker was lost',
    { status: 'running', leaseUntil: NOW - 2_000, openSteps: [{ stepKey: 'a', startedAt: NOW }] },
    { code: 'WORKER_LOST', message: expect.stringContaining('in about 1 s'), until: at(NOW + 1_000), stepIds: ['a'] },
  ],
  [
    'a run whose worker was lost, and Redis with it',
    { status: 'running', leaseUntil: NOW - 2_000, workerCount: null },
    { code: 'WORKER_LOST', message: expect.stringContaining('queue'), until: null },
  ],
  [
    'a run whose only worker was lost',
    { status: 'running', leaseUntil: NOW - 180_000, workerCount: 0 },
    { code: 'WORKER_LOST', message: expect.stringMatching(/3 min ago.*once one is started/), until: null },
  ],
  ['a run that was handed back', { status: 'running' }, { code: 'WAITING_FOR_WORKER' }],
  [
    'a run that waits for a retry',
    { state: stateOf({ a: waits('retry', NOW + 60_000) }), nextAttemptAt: NOW + 60_000, workerCount: null },
    {
      ...{ code: 'WAITING_FOR_RETRY', message: 'The next attempt of step a is at 2026-01-01 12:01:00 UTC.' },
      ...{ until: at(NOW + 60_000), stepIds: ['a'] },
    },
  ],
  [
    'a retry that is due',
    { state: stateOf({ a: waits('retry', NOW - 4_000) }), nextAttemptAt: NOW - 4_000 },
    { code: 'WAITING_FOR_WORKER', message: expect.stringContaining('for 4 s') },
  ],
  [
    'an approval without an end',
    waiting(stateOf({ a: { status: 'succeeded', attempt: 1 }, ask: waits('approval', null) })),
    {
      code: 'WAITING_FOR_APPROVAL',
      message: 'Waiting for somebody to answer step ask.',
      until: null,
      stepIds: ['ask'],
    },
  ],
  [
    'an approval with an end, beside a timer',
    waiting(stateOf({ nap: waits('timer', NOW + 1_000), ask: waits('approval', NOW + 60_000) }), NOW + 1_000),
    { code: 'WAITING_FOR_APPROVAL', until: at(NOW + 60_000), stepIds: ['ask'] },
  ],
  [
    'an approval that was answered and not taken in yet',
    { ...waiting(stateOf({ ask: waits('approval', null) })), hasUnread: true, workerCount: 0 },
    { code: 'NO_WORKER' },
  ],
  [
    'an unknown outcome',
    waiting(stateOf({ a: waits('decision', null) })),
    { code: 'WAITING_FOR_DECISION', until: null },
  ],
  ['a callback', waiting(stateOf({ a: waits('webhook', null) })), { code: 'WAITING_FOR_WEBHOOK', stepIds: ['a'] }],
  ['a sub-workflow', waiting(stateOf({ a: waits('subworkflow', null) })), { code: 'WAITING_FOR_RUN', stepIds: ['a'] }],
  [
    'a delay',
    waiting(stateOf({ nap: waits('timer', NOW + 5_000), late: waits('timer', NOW + 9_000) }), NOW + 5_000),
    { code: 'WAITING_FOR_TIME', until: at(NOW + 5_000), stepIds: ['nap', 'late'] },
  ],
  [
    'a step inside a loop',
    waiting(
      stateOf({
        each: {
          ...{ status: 'running', attempt: 1, collect: null },
          loop: {
            total: 2,
            next: 1,
            done: 0,
            frames: { 0: { phase: 'steps', edges: [], steps: { a: waits('timer', NOW + 1) } } },
          },
        },
      }),
      NOW + 1,
    ),
    { code: 'WAITING_FOR_TIME', stepIds: ['each.0.a'] },
  ],
  [
    'a run that is put off for another reason',
    { status: 'running', nextAttemptAt: NOW + 20_000 },
    { code: 'WAITING_FOR_TIME', until: at(NOW + 20_000) },
  ],
];

it.each(CASES)('says where %s stands', (_, facts, expected) => {
  expect(standingOf({ ...BASE, ...facts })).toMatchObject(expected);
});

it.each(['succeeded', 'failed', 'cancelled'] as const)('has nothing to say of a run that has %s', (status) => {
  expect(standingOf({ ...BASE, status, workerCount: null })).toBeNull();
});
