import { getRun, listRuns } from '@millrace/shared/contracts/runs';
import { expect, it } from 'vitest';
import { addressOf } from './call-api.ts';

it('an address holds its parameters as one segment each, whatever is in them', () => {
  const params = { orgId: 'a/b', workflowId: 'w', runId: 'x?y' };
  expect(addressOf(getRun, { params })).toBe('/v1/orgs/a%2Fb/workflows/w/runs/x%3Fy');
});

it('a query leaves out what was not chosen', () => {
  const query = { status: 'failed', search: '', cursor: undefined, limit: '20' };
  expect(addressOf(listRuns, { params: { orgId: 'o' }, query })).toBe('/v1/orgs/o/runs?status=failed&limit=20');
});
