'use client';
import { getRunInput } from '@millrace/shared/contracts/run-values';
import { cancelRun, createRun, decideStep, getRun, retryRun } from '@millrace/shared/contracts/runs';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { useEffect, useMemo, useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey } from '../workflows/keys.ts';
import { followRun, type TimelineEntry } from './follow-run.ts';
import { largeSizeOf } from './stored-values.ts';
import { liveRunStatus, withLiveStatuses } from './timeline.ts';

/** Changes that come together are read together. */
const GATHER_MS = 150;

export interface RunAddress {
  workflowId: string;
  runId: string;
}

export const runKey = (orgId: string, runId: string) => [...runsKey(orgId), 'one', runId];

/** A run and its steps, followed live by its timeline until it ends. */
export function useRun({ workflowId, runId }: RunAddress) {
  const { organization } = useOrganization();
  const orgId = organization.id;
  const queries = useQueryClient();
  const [entries, setEntries] = useState<TimelineEntry[]>([]);
  const { data, error, refetch } = useQuery({
    queryKey: runKey(orgId, runId),
    queryFn: ({ signal }) => callApi(getRun, { params: { orgId, workflowId, runId }, signal }),
  });
  useEffect(() => {
    const leaving = new AbortController();
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const readSoon = () => {
      gathering ??= setTimeout(() => {
        gathering = undefined;
        void queries.invalidateQueries({ queryKey: runKey(orgId, runId) });
      }, GATHER_MS);
    };
    const follow = async () => {
      setEntries([]);
      for await (const entry of followRun({ orgId, workflowId, runId }, leaving.signal)) {
        setEntries((before) => [...before, entry]);
        readSoon();
      }
      readSoon();
    };
    // A refusal is shown by the reading of the run, which is refused too.
    follow().catch(readSoon);
    return () => {
      leaving.abort();
      clearTimeout(gathering);
    };
  }, [orgId, workflowId, runId, queries]);
  const steps = useMemo(() => withLiveStatuses(data?.steps ?? [], entries), [data, entries]);
  const run = data && { ...data.run, status: liveRunStatus(data.run.status, entries) };
  return { run, steps, entries, error: data ? null : error, retry: () => void refetch() };
}

export interface Decision {
  stepId: string;
  decision: 'approved' | 'rejected' | 'retry' | 'skip' | 'fail';
  /** The output of a step that is skipped. */
  value?: unknown;
}

export function useRunActions({ workflowId, runId }: RunAddress) {
  const { organization, path } = useOrganization();
  const router = useRouter();
  const params = { orgId: organization.id, workflowId, runId };
  const changes = [runsKey(organization.id)];
  const cancel = useAction({
    run: () => callApi(cancelRun, { params }),
    changes,
    done: () => 'The run is being cancelled.',
  });
  const goTo = ({ run }: { run: { id: string } }) => {
    router.push(path(`/workflows/${workflowId}/runs/${run.id}`));
    return 'This is the new run.';
  };
  const retry = useAction({
    run: (latest: boolean) => callApi(retryRun, { params, body: { latest }, idempotencyKey: crypto.randomUUID() }),
    changes,
    done: goTo,
  });
  /** With the input of this one, on the version that is published now. */
  const repeat = useAction({
    run: async (shown: unknown) => {
      // What the page has of a large input is only its mark.
      const input = largeSizeOf(shown) === null ? shown : (await callApi(getRunInput, { params })).value;
      return callApi(createRun, {
        params: { orgId: organization.id, workflowId },
        body: { input: input ?? undefined },
        idempotencyKey: crypto.randomUUID(),
      });
    },
    changes,
    done: goTo,
  });
  const decide = useAction({
    run: ({ stepId, ...body }: Decision) => callApi(decideStep, { params: { ...params, stepId }, body }),
    changes,
    done: () => 'Your decision is noted.',
  });
  return { cancel, retry, repeat, decide };
}
