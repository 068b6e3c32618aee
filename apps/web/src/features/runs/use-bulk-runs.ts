'use client';
import { cancelRuns, retryRuns } from '@millrace/shared/contracts/bulk-runs';
import type { RunFilter } from '@millrace/shared/contracts/runs';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { sayError } from '../../lib/say-error.ts';
import { toast } from '../../ui/toast-store.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey } from '../workflows/keys.ts';
import { addResult, type BulkKind, type BulkTotal, cancelFilter, retryFilter, sayCount } from './bulk.ts';

interface Portion {
  dryRun?: boolean;
  cursor?: string;
  limit?: number;
}

/** Small enough that whoever looks on sees it go on. */
const PORTION = 200;

/** Cancels or retries every run of a filter in portions, after a count that changes nothing. */
export function useBulkRuns(kind: BulkKind, filter: RunFilter) {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  const [progress, setProgress] = useState<BulkTotal | null>(null);
  const send = (portion: Portion) => callBulk(organization.id, kind, filter, portion);
  const count = useQuery({
    queryKey: ['orgs', organization.id, 'bulk-runs', kind, filter],
    queryFn: () => send({ dryRun: true }),
    staleTime: 0,
    gcTime: 0,
  });
  /** Answers whether it came to its end. */
  const start = async (): Promise<boolean> => {
    let total: BulkTotal = { done: 0, skipped: [] };
    setProgress(total);
    try {
      let cursor: string | null = null;
      do {
        const result = await send({ limit: PORTION, ...(cursor === null ? {} : { cursor }) });
        total = addResult(total, result);
        setProgress(total);
        cursor = result.nextCursor;
      } while (cursor !== null);
      toast(sayDone(kind, total));
      return true;
    } catch (error) {
      toast(`${sayDone(kind, total)} Then it stopped: ${sayError(error)}`, 'danger');
      return false;
    } finally {
      setProgress(null);
      void queries.invalidateQueries({ queryKey: runsKey(organization.id) });
    }
  };
  return { count: count.data?.matched, error: count.error, recount: () => void count.refetch(), progress, start };
}

function callBulk(orgId: string, kind: BulkKind, filter: RunFilter, portion: Portion) {
  const params = { orgId };
  if (kind === 'cancel') return callApi(cancelRuns, { params, body: { ...portion, filter: cancelFilter(filter) } });
  const body = { ...portion, filter: retryFilter(filter) };
  return callApi(retryRuns, { params, body, idempotencyKey: crypto.randomUUID() });
}

function sayDone(kind: BulkKind, { done, skipped }: BulkTotal): string {
  const left = skipped.reduce((sum, { count }) => sum + count, 0);
  const words = `${sayCount(done)} ${kind === 'cancel' ? 'cancelled' : 'retried'}`;
  return left === 0 ? `${words}.` : `${words}, ${left} left as they are: ${skipped[0]?.message ?? ''}`;
}
