'use client';
import { getRunLimits } from '@millrace/shared/contracts/run-limits';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { describeLimits } from './describe-limits.ts';
import { useOrganization } from './use-organization.ts';

const EVERY_MS = 10_000;

export function useRunLimits() {
  const { organization } = useOrganization();
  return useQuery({
    queryKey: ['orgs', organization.id, 'run-limits'],
    queryFn: ({ signal }) => callApi(getRunLimits, { params: { orgId: organization.id }, signal }),
    select: (answer) => describeLimits(answer),
    refetchInterval: EVERY_MS,
  });
}
