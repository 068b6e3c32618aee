'use client';
import { listVersions, restoreVersion } from '@millrace/shared/contracts/workflows';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey } from '../workflows/keys.ts';
import { useEditorTools } from './editor-context.tsx';

/** The published versions, and a way back to one of them: as a change of the draft that can be undone. */
export function useVersions() {
  const { workflow, saving } = useEditorTools();
  const { organization } = useOrganization();
  const params = { orgId: organization.id, workflowId: workflow.id };
  const pages = usePages({
    key: [...workflowKey(organization.id, workflow.id), 'versions', workflow.version],
    read: (cursor, signal) => callApi(listVersions, { params, query: { limit: '30', cursor }, signal }),
    items: (page) => page.versions,
  });
  const restore = useAction({
    run: async (version: number) => {
      await saving.flush();
      return callApi(restoreVersion, { params: { ...params, version: String(version) } });
    },
    done: ({ workflow: restored }, version) => {
      saving.load(restored);
      return `Version ${version} is the draft again.`;
    },
  });
  return { ...pages, restore };
}
