'use client';
import { listRuns, listWorkflowRuns, RunStatus } from '@millrace/shared/contracts/runs';
import { useDeferredValue, useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey } from '../workflows/keys.ts';
import { PERIODS, type Period, startOf } from './periods.ts';

const PAGE_SIZE = '30';
/** A list shows what happens elsewhere too; each run's own page follows it live. */
const REFETCH_MS = 10_000;

/** The runs of the organization or of one workflow, narrowed by status, time and words. */
export function useRuns(workflowId?: string) {
  const { organization } = useOrganization();
  const [status, setStatus] = useState<RunStatus | ''>('');
  const [period, setPeriod] = useState<Period>('all');
  const [search, setSearch] = useState('');
  const wanted = useDeferredValue(search.trim());
  const orgId = organization.id;
  const pages = usePages({
    key: [...runsKey(orgId), 'list', workflowId ?? '', status, period, wanted],
    read: (cursor, signal) => {
      const from = startOf(period, Date.now());
      const query = { limit: PAGE_SIZE, cursor, status: status || undefined, from, search: wanted || undefined };
      if (workflowId) return callApi(listWorkflowRuns, { params: { orgId, workflowId }, query, signal });
      return callApi(listRuns, { params: { orgId }, query, signal });
    },
    items: (page) => page.runs,
    refetchEveryMs: REFETCH_MS,
  });
  const isFiltered = status !== '' || period !== 'all' || wanted !== '';
  return {
    pages,
    isFiltered,
    status,
    setStatus,
    period,
    setPeriod,
    search,
    setSearch,
    statuses: RunStatus.options,
    periods: PERIODS,
  };
}
