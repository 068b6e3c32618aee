'use client';
import { getVersion } from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey } from './keys.ts';

/** One published version with its document. */
export function useVersion(workflowId: string, version: number) {
  const { organization } = useOrganization();
  return useQuery({
    queryKey: [...workflowKey(organization.id, workflowId), 'version', version],
    staleTime: Number.POSITIVE_INFINITY, // a published version never changes
    queryFn: ({ signal }) => {
      const params = { orgId: organization.id, workflowId, version: String(version) };
      return callApi(getVersion, { params, signal });
    },
    select: (answer) => answer.version,
  });
}
