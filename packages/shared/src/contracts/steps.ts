import { z } from 'zod';
import { Done, defineContract, Time } from './contract.ts';
import { WorkflowParams } from './workflows.ts';

const StepError = z.object({ code: z.string(), message: z.string() });
const PinParams = WorkflowParams.extend({ stepId: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/) });
const base = { tag: 'Workflows', auth: 'bearer', permission: 'workflow:write' } as const;

export const testStep = defineContract({
  ...base,
  id: 'testStep',
  method: 'POST',
  path: '/v1/orgs/:orgId/workflows/:workflowId/test-step',
  summary: 'Execute one step of a document with sample data, as the worker would; no run is stored',
  params: WorkflowParams,
  body: z.strictObject({
    dsl: z.record(z.string(), z.unknown()),
    /** The id of a node, or the key of its step: `each.3.send` is the node `send` in the fourth iteration of `each`. */
    stepId: z.string().max(300),
    sample: z
      .strictObject({
        /** The input of the trigger. */
        input: z.unknown().optional(),
        /** Outputs of earlier steps by their ids; pins fill what is missing. */
        steps: z.record(z.string(), z.unknown()).optional(),
        /** The items of the loops around the step, by the ids of these loops. */
        items: z.record(z.string(), z.unknown()).optional(),
      })
      .default({}),
  }),
  status: 200,
  response: z.object({
    input: z.unknown(),
    output: z.unknown(),
    error: StepError.nullable(),
    durationMs: z.int(),
  }),
  errors: ['WORKFLOW_INVALID', 'QUEUE_UNAVAILABLE'],
});

export const listPins = defineContract({
  ...base,
  id: 'listPins',
  method: 'GET',
  path: '/v1/orgs/:orgId/workflows/:workflowId/pins',
  summary: 'The pinned sample outputs, by step',
  permission: 'workflow:read',
  params: WorkflowParams,
  status: 200,
  response: z.object({ pins: z.array(z.object({ stepId: z.string(), output: z.unknown(), updatedAt: Time })) }),
});

export const putPin = defineContract({
  ...base,
  id: 'putPin',
  method: 'PUT',
  path: '/v1/orgs/:orgId/workflows/:workflowId/pins/:stepId',
  summary: "Pin a step's sample output, used by tests of later steps only",
  params: PinParams,
  body: z.strictObject({ output: z.unknown() }),
  status: 200,
  response: Done,
});

export const deletePin = defineContract({
  ...base,
  id: 'deletePin',
  method: 'DELETE',
  path: '/v1/orgs/:orgId/workflows/:workflowId/pins/:stepId',
  summary: "Remove a step's pinned output",
  params: PinParams,
  status: 200,
  response: Done,
});
