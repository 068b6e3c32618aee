'use client';
import { getWorkflow } from '@millrace/shared/contracts/workflows';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { parseDraft } from './draft.ts';
import type { useDraft } from './use-draft.ts';

/** Two ways out of a conflict, both with what is saved at that moment: take theirs, or put mine on top of it. */
export function useConflict(draft: ReturnType<typeof useDraft>) {
  const { organization } = useOrganization();
  const read = () => callApi(getWorkflow, { params: { orgId: organization.id, workflowId: draft.base.id } });
  const takeTheirs = useAction({
    run: read,
    done: ({ workflow }) => {
      draft.takeTheirs(workflow);
      return 'This is what is saved now.';
    },
  });
  const keepMine = useAction({
    run: async () => {
      const { workflow } = await read();
      const mine = parseDraft(draft.text);
      if (mine.ok) await draft.overwrite(mine.dsl, workflow.revision);
    },
  });
  return { takeTheirs, keepMine };
}
