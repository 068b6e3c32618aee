'use client';
import { deletePin, listPins, putPin } from '@millrace/shared/contracts/steps';
import type { Json } from '@millrace/workflow/json';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey } from '../workflows/keys.ts';

export type Pins = ReturnType<typeof usePins>;

/** Sample outputs that somebody keeps for the tests of later steps. Runs never see them. */
export function usePins(workflowId: string) {
  const { organization } = useOrganization();
  const params = { orgId: organization.id, workflowId };
  const queryKey = [...workflowKey(organization.id, workflowId), 'pins'];
  const { data } = useQuery({ queryKey, queryFn: ({ signal }) => callApi(listPins, { params, signal }) });
  const pin = useAction({
    run: ({ stepId, output }: { stepId: string; output: unknown }) =>
      callApi(putPin, { params: { ...params, stepId }, body: { output: output ?? null } }),
    changes: [queryKey],
    done: (_, { stepId }) => `The output of ${stepId} is pinned.`,
  });
  const unpin = useAction({
    run: (stepId: string) => callApi(deletePin, { params: { ...params, stepId } }),
    changes: [queryKey],
    done: (_, stepId) => `The output of ${stepId} is pinned no more.`,
  });
  const outputs = useMemo(
    () => Object.fromEntries((data?.pins ?? []).map(({ stepId, output }) => [stepId, output as Json])),
    [data],
  );
  return { outputs, pin, unpin };
}
