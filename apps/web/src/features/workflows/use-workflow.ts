'use client';
import { createRun } from '@millrace/shared/contracts/runs';
import {
  deleteWorkflow,
  disableWorkflow,
  duplicateWorkflow,
  enableWorkflow,
  getWorkflow,
} from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey, workflowKey, workflowsKey } from './keys.ts';

export function useWorkflow(workflowId: string) {
  const { organization } = useOrganization();
  return useQuery({
    queryKey: workflowKey(organization.id, workflowId),
    queryFn: ({ signal }) => callApi(getWorkflow, { params: { orgId: organization.id, workflowId }, signal }),
    select: ({ workflow }) => workflow,
  });
}

export function useWorkflowActions(workflowId: string) {
  const { organization, path } = useOrganization();
  const router = useRouter();
  const params = { orgId: organization.id, workflowId };
  const changes = [workflowsKey(organization.id)];
  const setEnabled = useAction({
    run: (isEnabled: boolean) => callApi(isEnabled ? enableWorkflow : disableWorkflow, { params }),
    changes,
    done: ({ workflow }) =>
      workflow.isEnabled ? 'The workflow is on.' : 'The workflow is off: it starts no new runs.',
  });
  const duplicate = useAction({
    run: () => callApi(duplicateWorkflow, { params, idempotencyKey: crypto.randomUUID() }),
    changes,
    done: ({ workflow }) => {
      router.push(path(`/workflows/${workflow.id}`));
      return 'This is the copy.';
    },
  });
  const remove = useAction({
    run: () => callApi(deleteWorkflow, { params }),
    done: () => {
      router.replace(path('/workflows'));
      return 'The workflow was deleted.';
    },
  });
  const run = useAction({
    run: (input: unknown) => callApi(createRun, { params, body: { input }, idempotencyKey: crypto.randomUUID() }),
    changes: [runsKey(organization.id)],
    done: ({ run: started }) => {
      router.push(path(`/workflows/${workflowId}/runs/${started.id}`));
      return undefined;
    },
  });
  return { setEnabled, duplicate, remove, run };
}
