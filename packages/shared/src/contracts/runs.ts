import { z } from 'zod';
import { Id } from '../ids.ts';
import { defineContract, NextCursor, OrgParams, PageQuery, Time } from './contract.ts';
import { WorkflowParams } from './workflows.ts';

export const RunStatus = z.enum(['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled']);
export type RunStatus = z.infer<typeof RunStatus>;

/** In place of an input or output of more than 64 kB of JSON text: `{ "$large": { "sizeBytes": 70123 } }`. */
const Value = z.unknown().meta({
  description:
    'Any JSON. Above 64 kB it is `{ "$large": { "sizeBytes" } }`; the whole value has an address of its own.',
});

const RunError = z.object({ code: z.string(), message: z.string(), stepId: z.string().optional() });

export const Run = z
  .object({
    id: Id,
    organizationId: Id,
    workflowId: Id,
    version: z.int(),
    triggerType: z.string(),
    status: RunStatus,
    attemptCount: z.int(),
    maxAttempts: z.int(),
    nextAttemptAt: Time.nullable(),
    retryOfRunId: Id.nullable(),
    parentRunId: Id.nullable().meta({ description: 'The run whose `subworkflow` step started this one.' }),
    requestedByUserId: Id.nullable(),
    input: Value,
    output: Value,
    error: RunError.nullable(),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

/** A run as lists show it: with the name that its workflow has now. */
const ListedRun = Run.extend({ workflowName: z.string() }).meta({ id: 'ListedRun' });
export type ListedRun = z.infer<typeof ListedRun>;

const Step = z
  .object({
    stepId: z.string(),
    type: z.string(),
    status: z.enum(['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled']),
    attempt: z.int(),
    input: Value,
    output: Value,
    error: RunError.nullable(),
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .meta({ id: 'Step' });
export type Step = z.infer<typeof Step>;

const WorkflowRuns = '/v1/orgs/:orgId/workflows/:workflowId/runs';
/** Which runs of an organization. */
export const RunFilter = z.strictObject({
  status: RunStatus.optional(),
  workflowId: Id.optional(),
  /** Created at or after. */
  from: Time.optional(),
  /** Created before. */
  to: Time.optional(),
  /** The id of a run, or part of a workflow's name. */
  search: z.string().max(120).optional(),
});
export type RunFilter = z.infer<typeof RunFilter>;
const Filters = PageQuery.extend(RunFilter.shape);
const RunPage = z.object({ runs: z.array(ListedRun), nextCursor: NextCursor });
const base = { tag: 'Runs', auth: 'bearer' } as const;

export const createRun = defineContract({
  ...base,
  id: 'createRun',
  method: 'POST',
  path: WorkflowRuns,
  summary: 'Start a run of the published version; 201 only when it is stored and a worker was woken',
  permission: 'run:start',
  params: WorkflowParams,
  body: z.strictObject({ input: z.unknown().optional() }).optional(),
  status: 201,
  response: z.object({ run: Run }),
  errors: ['CONFLICT', 'RUN_LIMIT_EXCEEDED', 'QUEUE_UNAVAILABLE'],
  isIdempotent: true,
});

export const listWorkflowRuns = defineContract({
  ...base,
  id: 'listWorkflowRuns',
  method: 'GET',
  path: WorkflowRuns,
  summary: 'The runs of one workflow, newest first',
  permission: 'run:read',
  params: WorkflowParams,
  query: Filters,
  status: 200,
  response: RunPage,
});

export const listRuns = defineContract({
  ...base,
  id: 'listRuns',
  method: 'GET',
  path: '/v1/orgs/:orgId/runs',
  summary: 'The runs of the organization, newest first',
  permission: 'run:read',
  params: OrgParams,
  query: Filters,
  status: 200,
  response: RunPage,
});

export const getRun = defineContract({
  ...base,
  id: 'getRun',
  method: 'GET',
  path: `${WorkflowRuns}/:runId`,
  summary: 'A run and its steps',
  permission: 'run:read',
  params: WorkflowParams.extend({ runId: Id }),
  status: 200,
  response: z.object({ run: Run, steps: z.array(Step) }),
});

/** What a run that has not ended is at, or waits for. */
export const Standing = z
  .object({
    code: z.enum([
      'QUEUE_UNAVAILABLE',
      'NO_WORKER',
      'WAITING_FOR_WORKER',
      'WAITING_FOR_TURN',
      'CONCURRENCY_LIMIT',
      'WORKER_LOST',
      'EXECUTING',
      'WAITING_FOR_DECISION',
      'WAITING_FOR_APPROVAL',
      'WAITING_FOR_WEBHOOK',
      'WAITING_FOR_RUN',
      'WAITING_FOR_RETRY',
      'WAITING_FOR_TIME',
    ]),
    /** A sentence for people. */
    message: z.string(),
    /** When it goes on by itself at the latest; null when that is somebody else's to say. */
    until: Time.nullable(),
    /** The steps it is about, at most 20. */
    stepIds: z.array(z.string()),
  })
  .meta({ id: 'Standing' });
export type Standing = z.infer<typeof Standing>;

export const getRunStanding = defineContract({
  ...base,
  id: 'getRunStanding',
  method: 'GET',
  path: `${WorkflowRuns}/:runId/standing`,
  summary: 'Why a run is not moving, or what it is at; null once it has ended',
  permission: 'run:read',
  params: WorkflowParams.extend({ runId: Id }),
  status: 200,
  response: z.object({ standing: Standing.nullable() }),
});

/** What happened to a run: a step changed, the run ended, somebody decided or asked for its end. */
const TimelineEntry = z.looseObject({ type: z.string(), at: Time }).meta({ id: 'TimelineEntry' });

export const streamRunEvents = defineContract({
  ...base,
  id: 'streamRunEvents',
  method: 'GET',
  path: `${WorkflowRuns}/:runId/events`,
  summary: 'What happened to a run so far, then live until it ends; `Last-Event-ID` goes on behind an event',
  permission: 'run:read',
  params: WorkflowParams.extend({ runId: Id }),
  status: 200,
  response: TimelineEntry,
  errors: ['RATE_LIMITED'],
  isStream: true,
});

export const cancelRun = defineContract({
  ...base,
  id: 'cancelRun',
  method: 'POST',
  path: `${WorkflowRuns}/:runId/cancel`,
  summary: 'Cancel a run: at once when nothing executes it, else within a second; works without the queue',
  permission: 'run:start',
  params: WorkflowParams.extend({ runId: Id }),
  status: 200,
  response: z.object({ run: Run }),
  errors: ['CONFLICT'],
});

export const retryRun = defineContract({
  ...base,
  id: 'retryRun',
  method: 'POST',
  path: `${WorkflowRuns}/:runId/retry`,
  summary:
    'Start a new run that goes on where a failed or cancelled one ended, or from the start on the latest version',
  permission: 'run:start',
  params: WorkflowParams.extend({ runId: Id }),
  body: z
    .strictObject({
      /** True starts over on the latest published version; else finished steps are copied and the version is kept. */
      latest: z.boolean().optional(),
    })
    .optional(),
  status: 201,
  response: z.object({ run: Run }),
  errors: ['CONFLICT', 'RUN_LIMIT_EXCEEDED', 'QUEUE_UNAVAILABLE'],
  isIdempotent: true,
});

export const decideStep = defineContract({
  ...base,
  id: 'decideStep',
  method: 'POST',
  path: `${WorkflowRuns}/:runId/steps/:stepId/decide`,
  summary: 'Answer an approval, or say what to do about a step whose outcome nobody knows',
  permission: 'run:decide',
  params: WorkflowParams.extend({ runId: Id, stepId: z.string().min(1).max(1000) }),
  body: z.strictObject({
    /** An approval is `approved` or `rejected`; a step of unknown outcome is to `retry`, `skip` with a value, or `fail`. */
    decision: z.enum(['approved', 'rejected', 'retry', 'skip', 'fail']),
    /** The output of a step that is skipped. */
    value: z.unknown().optional(),
    note: z.string().max(10_000).optional(),
  }),
  status: 200,
  response: z.object({ run: Run }),
  errors: ['CONFLICT'],
});
