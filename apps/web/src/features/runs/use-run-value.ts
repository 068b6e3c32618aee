'use client';
import {
  getRunFile,
  getRunInput,
  getRunOutput,
  getStepInput,
  getStepOutput,
} from '@millrace/shared/contracts/run-values';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { callApi, openApi } from '../../lib/call-api.ts';
import { saveFile } from '../../lib/save-file.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { runsKey } from '../workflows/keys.ts';
import { largeSizeOf, type RunFile, type ValuePlace } from './stored-values.ts';
import type { RunAddress } from './use-run.ts';

interface Params extends RunAddress {
  orgId: string;
}

const CONTRACTS = {
  run: { input: getRunInput, output: getRunOutput },
  step: { input: getStepInput, output: getStepOutput },
} as const;

/** A value of a run; one that is large is read when somebody asks for it. */
export function useRunValue(address: RunAddress, { stepId, field }: ValuePlace, value: unknown) {
  const { organization } = useOrganization();
  const [isWanted, setWanted] = useState(false);
  const params = { orgId: organization.id, ...address };
  const sizeBytes = largeSizeOf(value);
  const { data, error, isFetching, refetch } = useQuery({
    // The size is part of it: a step that runs again has another value.
    queryKey: [...runsKey(params.orgId), 'value', address.runId, stepId ?? '', field, sizeBytes],
    queryFn: ({ signal }) => readValue(params, { stepId, field }, signal),
    enabled: isWanted && sizeBytes !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (sizeBytes === null) return { value, sizeBytes, isThere: true, error: null, isReading: false, read: () => {} };
  const read = () => (error ? void refetch() : setWanted(true));
  return { value: data?.value, sizeBytes, isThere: data !== undefined, error, isReading: isFetching, read };
}

function readValue(
  params: Params,
  { stepId, field }: { stepId: string | undefined; field: ValuePlace['field'] },
  signal: AbortSignal,
) {
  if (stepId === undefined) return callApi(CONTRACTS.run[field], { params, signal });
  return callApi(CONTRACTS.step[field], { params: { ...params, stepId }, signal });
}

/** Brings a file of a run: with the session's token, which no plain link could carry. */
export function useRunFile(address: RunAddress) {
  const { organization } = useOrganization();
  return useAction({
    run: async ({ id, name }: RunFile) => {
      const params = { orgId: organization.id, ...address, fileId: id };
      const answer = await openApi(getRunFile, { params });
      saveFile(await answer.blob(), name);
    },
  });
}
