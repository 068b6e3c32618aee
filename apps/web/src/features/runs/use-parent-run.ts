'use client';
import { listRuns } from '@millrace/shared/contracts/runs';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey } from '../workflows/keys.ts';

/** The run of that id with its workflow, which its page's address needs; undefined until it is read, and when it is gone. */
export function useParentRun(runId: string | null) {
  const { organization } = useOrganization();
  const { data } = useQuery({
    queryKey: [...runsKey(organization.id), 'parent', runId],
    queryFn: ({ signal }) =>
      callApi(listRuns, { params: { orgId: organization.id }, query: { search: runId ?? '', limit: '1' }, signal }),
    enabled: runId !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data?.runs[0];
}
