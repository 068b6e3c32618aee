import { z } from 'zod';
import { Id } from '../ids.ts';
import { Done, defineContract, Limit, NextCursor, OrgParams, PageQuery, personText, Time } from './contract.ts';

/** A draft: any JSON object. What it means is judged when it is published. */
const Draft = z.record(z.string(), z.unknown());
const WorkflowStatus = z.enum(['draft', 'published']);

export const Workflow = z
  .object({
    id: Id,
    organizationId: Id,
    name: z.string(),
    status: WorkflowStatus,
    isEnabled: z.boolean(),
    version: z.int(),
    revision: z.int(),
    dsl: Draft,
    publishedDsl: Draft.nullable(),
    hasUnpublishedChanges: z.boolean(),
    hookUrl: z.string().nullable(),
    /** When its schedule starts the next run; null without one, and while disabled. */
    nextFireAt: Time.nullable(),
    createdByUserId: Id.nullable(),
    publishedAt: Time.nullable(),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'Workflow' });
export type Workflow = z.infer<typeof Workflow>;

const WorkflowVersion = z.object({
  version: z.int(),
  note: z.string().nullable(),
  createdByUserId: Id.nullable(),
  createdAt: Time,
});

const Name = personText(120);
const OrgWorkflows = '/v1/orgs/:orgId/workflows';
const OneWorkflow = `${OrgWorkflows}/:workflowId` as const;
export const WorkflowParams = OrgParams.extend({ workflowId: Id });
const VersionParams = WorkflowParams.extend({
  version: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a version number')
    .transform(Number),
});
const OneWorkflowResponse = z.object({ workflow: Workflow });
const base = { tag: 'Workflows', auth: 'bearer' } as const;

export const createWorkflow = defineContract({
  ...base,
  id: 'createWorkflow',
  method: 'POST',
  path: OrgWorkflows,
  summary: 'Create a workflow as a draft',
  permission: 'workflow:write',
  params: OrgParams,
  body: z.strictObject({ name: Name, dsl: Draft }),
  status: 201,
  response: OneWorkflowResponse,
  isIdempotent: true,
});

export const listWorkflows = defineContract({
  ...base,
  id: 'listWorkflows',
  method: 'GET',
  path: OrgWorkflows,
  summary: 'The workflows, newest first',
  permission: 'workflow:read',
  params: OrgParams,
  query: PageQuery.extend({ search: z.string().max(120).optional(), status: WorkflowStatus.optional() }),
  status: 200,
  response: z.object({ workflows: z.array(Workflow), nextCursor: NextCursor }),
});

export const getWorkflow = defineContract({
  ...base,
  id: 'getWorkflow',
  method: 'GET',
  path: OneWorkflow,
  summary: 'Read a workflow with its draft and its published document',
  permission: 'workflow:read',
  params: WorkflowParams,
  status: 200,
  response: OneWorkflowResponse,
});

export const updateWorkflow = defineContract({
  ...base,
  id: 'updateWorkflow',
  method: 'PATCH',
  path: OneWorkflow,
  summary: 'Save the draft; refused when `revision` is not the newest (somebody else saved meanwhile)',
  permission: 'workflow:write',
  params: WorkflowParams,
  body: z.strictObject({ name: Name.optional(), dsl: Draft.optional(), revision: z.int().min(0) }),
  status: 200,
  response: OneWorkflowResponse,
  errors: ['CONFLICT'],
});

export const deleteWorkflow = defineContract({
  ...base,
  id: 'deleteWorkflow',
  method: 'DELETE',
  path: OneWorkflow,
  summary: 'Delete a workflow with its versions and runs',
  permission: 'workflow:write',
  params: WorkflowParams,
  status: 200,
  response: Done,
  errors: ['CONFLICT'],
});

export const publishWorkflow = defineContract({
  ...base,
  id: 'publishWorkflow',
  method: 'POST',
  path: `${OneWorkflow}/publish`,
  summary: 'Check the draft and freeze it as the next version',
  permission: 'workflow:publish',
  params: WorkflowParams,
  body: z.strictObject({ note: personText(1000).optional() }).optional(),
  status: 200,
  response: OneWorkflowResponse,
  errors: ['WORKFLOW_INVALID'],
});

export const enableWorkflow = defineContract({
  ...base,
  id: 'enableWorkflow',
  method: 'POST',
  path: `${OneWorkflow}/enable`,
  summary: 'Let the workflow run again',
  permission: 'workflow:publish',
  params: WorkflowParams,
  status: 200,
  response: OneWorkflowResponse,
});

export const disableWorkflow = defineContract({
  ...base,
  id: 'disableWorkflow',
  method: 'POST',
  path: `${OneWorkflow}/disable`,
  summary: 'Refuse new runs; runs under way go on',
  permission: 'workflow:publish',
  params: WorkflowParams,
  status: 200,
  response: OneWorkflowResponse,
});

export const duplicateWorkflow = defineContract({
  ...base,
  id: 'duplicateWorkflow',
  method: 'POST',
  path: `${OneWorkflow}/duplicate`,
  summary: 'Copy the draft into a new workflow',
  permission: 'workflow:write',
  params: WorkflowParams,
  status: 201,
  response: OneWorkflowResponse,
  isIdempotent: true,
});

export const listNextFires = defineContract({
  ...base,
  id: 'listNextFires',
  method: 'GET',
  path: `${OneWorkflow}/next-fires`,
  summary: 'When the schedule starts the next runs; empty without one, and while disabled',
  permission: 'workflow:read',
  params: WorkflowParams,
  query: z.strictObject({ count: Limit }),
  status: 200,
  response: z.object({ nextFires: z.array(Time) }),
});

export const listVersions = defineContract({
  ...base,
  id: 'listVersions',
  method: 'GET',
  path: `${OneWorkflow}/versions`,
  summary: 'The published versions, newest first',
  permission: 'workflow:read',
  params: WorkflowParams,
  query: PageQuery,
  status: 200,
  response: z.object({ versions: z.array(WorkflowVersion), nextCursor: NextCursor }),
});

export const getVersion = defineContract({
  ...base,
  id: 'getVersion',
  method: 'GET',
  path: `${OneWorkflow}/versions/:version`,
  summary: 'One published version with its document',
  permission: 'workflow:read',
  params: VersionParams,
  status: 200,
  response: z.object({ version: WorkflowVersion.extend({ dsl: Draft }) }),
});

export const restoreVersion = defineContract({
  ...base,
  id: 'restoreVersion',
  method: 'POST',
  path: `${OneWorkflow}/versions/:version/restore`,
  summary: 'Make a published version the draft again, as a new revision',
  permission: 'workflow:write',
  params: VersionParams,
  status: 200,
  response: OneWorkflowResponse,
});
