'use client';
import { listRuns, listWorkflowRuns, type RunFilter, type RunStatus } from '@millrace/shared/contracts/runs';
import { listWorkflows } from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useMemo, useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey, workflowsKey } from '../workflows/keys.ts';
import { type Period, startOf } from './periods.ts';

const PAGE_SIZE = '30';
/** As many as one page of the API has; the others are found by their names. */
const MOST_OFFERED = '100';
/** A list shows what happens elsewhere too; each run's own page follows it live. */
const REFETCH_MS = 10_000;

export interface RunChoice {
  status: RunStatus | '';
  period: Period;
  workflowId: string;
  search: string;
}

const ALL: RunChoice = { status: '', period: 'all', workflowId: '', search: '' };

/** The runs of the organization or of one workflow, narrowed by workflow, status, time and words. */
export function useRuns(ofWorkflowId?: string) {
  const { organization } = useOrganization();
  const [choice, setChoice] = useState(ALL);
  const search = useDeferredValue(choice.search.trim());
  const orgId = organization.id;
  const { status, period } = choice;
  const workflowId = ofWorkflowId ?? choice.workflowId;
  const filterAt = (nowMs: number): RunFilter => ({
    status: status || undefined,
    workflowId: workflowId || undefined,
    from: startOf(period, nowMs),
    search: search || undefined,
  });
  const pages = usePages({
    key: [...runsKey(orgId), 'list', workflowId, status, period, search],
    read: (cursor, signal) => {
      const { workflowId: wanted, ...rest } = filterAt(Date.now());
      const query = { ...rest, limit: PAGE_SIZE, cursor };
      if (ofWorkflowId) {
        const params = { orgId, workflowId: ofWorkflowId };
        return callApi(listWorkflowRuns, { params, query, signal });
      }
      return callApi(listRuns, { params: { orgId }, query: { ...query, workflowId: wanted }, signal });
    },
    items: (page) => page.runs,
    refetchEveryMs: REFETCH_MS,
  });
  const isFiltered = status !== '' || period !== 'all' || search !== '' || choice.workflowId !== '';
  const choose = (changed: Partial<RunChoice>) => setChoice((before) => ({ ...before, ...changed }));
  return { pages, isFiltered, choice, choose, filterAt };
}

/** The workflows that a list of runs can be narrowed to, by name. */
export function useWorkflowChoices() {
  const { organization } = useOrganization();
  const { data } = useQuery({
    queryKey: [...workflowsKey(organization.id), 'choices'],
    queryFn: ({ signal }) =>
      callApi(listWorkflows, { params: { orgId: organization.id }, query: { limit: MOST_OFFERED }, signal }),
    staleTime: 60_000,
  });
  return useMemo(
    () =>
      (data?.workflows ?? [])
        .map(({ id, name }) => ({ id, name }))
        .sort((one, other) => one.name.localeCompare(other.name)),
    [data],
  );
}
