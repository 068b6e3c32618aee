'use client';
import { useQuery } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { useDeferredValue, useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { CREATE_WORKFLOW, LIST_WORKFLOW_RUNS, LIST_WORKFLOWS } from '../../lib/routes.ts';
import { useAction } from '../../lib/use-action.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey, workflowsKey } from './keys.ts';

/** Each row asks for its last run, so pages are short. */
const PAGE_SIZE = '20';

export type StatusFilter = '' | 'draft' | 'published';

export function useWorkflowList() {
  const { organization } = useOrganization();
  const [search, setSearch] = useState('');
  const [status, setStatus] = useState<StatusFilter>('');
  const wanted = useDeferredValue(search.trim());
  const pages = usePages({
    key: [...workflowsKey(organization.id), 'list', wanted, status],
    read: (cursor, signal) => {
      const query = { limit: PAGE_SIZE, cursor, search: wanted || undefined, status: status || undefined };
      return callApi(LIST_WORKFLOWS, { params: { orgId: organization.id }, query, signal });
    },
    items: (page) => page.workflows,
  });
  const isFiltered = wanted !== '' || status !== '';
  return { pages, search, setSearch, status, setStatus, isFiltered };
}

/** Undefined while it is not known, null when there was none. */
export function useLastRun(workflowId: string) {
  const { organization } = useOrganization();
  const { data } = useQuery({
    queryKey: [...runsKey(organization.id), 'last', workflowId],
    queryFn: async ({ signal }) => {
      const params = { orgId: organization.id, workflowId };
      const { runs } = await callApi(LIST_WORKFLOW_RUNS, { params, query: { limit: '1' }, signal });
      return runs[0] ?? null;
    },
    staleTime: 10_000,
  });
  return data;
}

/** Makes a workflow and goes to it. */
export function useNewWorkflow() {
  const { organization, path } = useOrganization();
  const router = useRouter();
  return useAction({
    run: (body: { name: string; dsl: Record<string, unknown> }) =>
      callApi(CREATE_WORKFLOW, { params: { orgId: organization.id }, body, idempotencyKey: crypto.randomUUID() }),
    changes: [workflowsKey(organization.id)],
    done: ({ workflow }) => {
      router.push(path(`/workflows/${workflow.id}`));
      return undefined;
    },
  });
}
