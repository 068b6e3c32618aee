'use client';
import { getRunStanding, type RunStatus } from '@millrace/shared/contracts/runs';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { ENDED } from './run-status.ts';
import { type RunAddress, runKey } from './use-run.ts';

/** A worker that is lost, or comes, changes no step: it has to be asked for. */
const REFETCH_MS = 2_000;

/** Why the run stands where it does, while it has not ended. Below the run's key, so that each change of the run asks anew. */
export function useStanding(address: RunAddress, status: RunStatus | undefined) {
  const { organization } = useOrganization();
  const isOpen = status !== undefined && !ENDED.includes(status);
  const { data } = useQuery({
    queryKey: [...runKey(organization.id, address.runId), 'standing'],
    queryFn: ({ signal }) => callApi(getRunStanding, { params: { orgId: organization.id, ...address }, signal }),
    enabled: isOpen,
    refetchInterval: REFETCH_MS,
  });
  return isOpen ? (data?.standing ?? null) : null;
}
