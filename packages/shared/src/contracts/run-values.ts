import { z } from 'zod';
import { Id } from '../ids.ts';
import { defineContract } from './contract.ts';
import { WorkflowParams } from './workflows.ts';

const WorkflowRuns = '/v1/orgs/:orgId/workflows/:workflowId/runs';
const RunPath = WorkflowParams.extend({ runId: Id });
const StepPath = RunPath.extend({ stepId: z.string().min(1).max(1000) });
const whole = {
  tag: 'Runs',
  auth: 'bearer',
  method: 'GET',
  permission: 'run:read',
  status: 200,
  response: z.object({ value: z.unknown() }),
} as const;

export const getRunInput = defineContract({
  ...whole,
  id: 'getRunInput',
  path: `${WorkflowRuns}/:runId/input`,
  summary: 'The input of a run, however large',
  params: RunPath,
});

export const getRunOutput = defineContract({
  ...whole,
  id: 'getRunOutput',
  path: `${WorkflowRuns}/:runId/output`,
  summary: 'The output of a run, however large',
  params: RunPath,
});

export const getStepInput = defineContract({
  ...whole,
  id: 'getStepInput',
  path: `${WorkflowRuns}/:runId/steps/:stepId/input`,
  summary: 'The input of a step, however large; credentials in it are hidden',
  params: StepPath,
});

export const getStepOutput = defineContract({
  ...whole,
  id: 'getStepOutput',
  path: `${WorkflowRuns}/:runId/steps/:stepId/output`,
  summary: 'The output of a step, however large',
  params: StepPath,
});

export const getRunFile = defineContract({
  ...whole,
  id: 'getRunFile',
  path: `${WorkflowRuns}/:runId/files/:fileId`,
  summary: 'A file of a run, which `{ "$file": id }` in its values stands for',
  params: RunPath.extend({ fileId: Id }),
  response: z.unknown(),
  isFile: true,
});
