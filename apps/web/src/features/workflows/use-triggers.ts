'use client';
import { rotateHook } from '@millrace/shared/contracts/hooks';
import { listNextFires } from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey } from './keys.ts';

const SHOWN = '5';
/** A time that is over is replaced soon. */
const REFETCH_MS = 30_000;

/** The next times of a workflow's schedule. `nextFireAt` is the first as the workflow was read: another one asks anew. */
export function useNextFires(workflowId: string, nextFireAt: string) {
  const { organization } = useOrganization();
  const { data } = useQuery({
    queryKey: [...workflowKey(organization.id, workflowId), 'next-fires', nextFireAt],
    queryFn: ({ signal }) =>
      callApi(listNextFires, { params: { orgId: organization.id, workflowId }, query: { count: SHOWN }, signal }),
    refetchInterval: REFETCH_MS,
  });
  return data?.nextFires ?? [nextFireAt];
}

/** Gives the webhook another address, after asking. */
export function useRotateHook(workflowId: string) {
  const { organization } = useOrganization();
  const [isAsking, setAsking] = useState(false);
  const rotate = useAction({
    run: () => callApi(rotateHook, { params: { orgId: organization.id, workflowId } }),
    changes: [workflowKey(organization.id, workflowId)],
    done: () => {
      setAsking(false);
      return 'The webhook has a new address.';
    },
  });
  return { isAsking, setAsking, rotate };
}
