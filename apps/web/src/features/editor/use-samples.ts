'use client';
import { getRun, listWorkflowRuns } from '@millrace/shared/contracts/runs';
import { listVariables } from '@millrace/shared/contracts/variables';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import type { Json } from '@millrace/workflow/json';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey } from '../workflows/keys.ts';
import { sampleInput } from '../workflows/sample-input.ts';
import { outputsOfRun, type Samples } from './samples.ts';
import type { Pins } from './use-pins.ts';

/** Values to try expressions with: of the last run, over them those of tests in this tab, over them what is pinned. */
export function useSamples(workflow: Workflow, { outputs: pinned }: Pins) {
  const { organization, can } = useOrganization();
  const params = { orgId: organization.id, workflowId: workflow.id };
  const [tested, setTested] = useState<Record<string, Json>>({});
  const [input, setInput] = useState<Json>();
  const [items, setItems] = useState<Record<string, Json>>({});
  const { data: lastRun } = useQuery({
    queryKey: [...workflowKey(organization.id, workflow.id), 'last-run'],
    enabled: can('run:read'),
    queryFn: async ({ signal }) => {
      const { runs } = await callApi(listWorkflowRuns, { params, query: { limit: '1' }, signal });
      const [run] = runs;
      return run ? callApi(getRun, { params: { ...params, runId: run.id }, signal }) : null;
    },
  });
  const { data: variables } = useQuery({
    queryKey: ['orgs', organization.id, 'variables'],
    enabled: can('variable:read'),
    queryFn: ({ signal }) => callApi(listVariables, { params: { orgId: organization.id }, signal }),
  });
  const samples: Samples = useMemo(() => {
    const vars = Object.fromEntries((variables?.variables ?? []).map(({ name, value }) => [name, value as Json]));
    const outputs = { ...outputsOfRun(lastRun?.steps ?? []), ...tested, ...pinned };
    const fallback = lastRun ? (lastRun.run.input as Json) : firstInput(workflow.dsl);
    return { input: input ?? fallback, outputs, vars, items };
  }, [variables, lastRun, tested, pinned, input, items, workflow.dsl]);
  const keepTest = (stepId: string, output: unknown) => setTested((all) => ({ ...all, [stepId]: output as Json }));
  const setItem = (loopId: string, item: Json | undefined) =>
    setItems(({ [loopId]: _, ...others }) => (item === undefined ? others : { ...others, [loopId]: item }));
  return { ...samples, keepTest, setInput, setItem };
}

function firstInput(dsl: Record<string, unknown>): Json | undefined {
  const text = sampleInput(dsl);
  return text === '' ? undefined : (JSON.parse(text) as Json);
}
