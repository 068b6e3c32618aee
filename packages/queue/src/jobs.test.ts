import { expect, it } from 'vitest';
import { parseJob, RUN_EXECUTE } from './jobs.ts';

const wake = { orgId: '0198c0de-0000-7000-8000-000000000001', runId: '0198c0de-0000-7000-8000-000000000002' };

it('gives back a wake-up whose name and payload are right', () => {
  expect(parseJob(RUN_EXECUTE, wake)).toEqual({ type: RUN_EXECUTE, payload: wake });
});

it('gives back the trace that a wake-up carries', () => {
  const traced = { ...wake, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  expect(parseJob(RUN_EXECUTE, traced)).toEqual({ type: RUN_EXECUTE, payload: traced });
});

it.each([
  ['run.delete', wake],
  ['__proto__', wake],
  ['constructor', wake],
  ['', wake],
  [RUN_EXECUTE, undefined],
  [RUN_EXECUTE, null],
  [RUN_EXECUTE, []],
  [RUN_EXECUTE, '{}'],
  [RUN_EXECUTE, { orgId: wake.orgId }],
  [RUN_EXECUTE, { ...wake, runId: 7 }],
  [RUN_EXECUTE, { ...wake, extra: true }],
  [RUN_EXECUTE, { ...wake, traceparent: 'sesame' }],
  [RUN_EXECUTE, { ...wake, traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }],
  [RUN_EXECUTE, { ...wake, orgId: "' or 1=1" }],
])('calls %s with payload %j bad instead of throwing', (name, data) => {
  expect(parseJob(name, data)).toMatchObject({ type: 'bad' });
});

it('says what is wrong with a payload without repeating its values', () => {
  const parsed = parseJob(RUN_EXECUTE, { orgId: wake.orgId, runId: 'sesame' });
  expect(parsed).toEqual({ type: 'bad', reason: 'runId: invalid_format' });
});
