import { z } from 'zod';
import { Done, defineContract } from './contract.ts';
import { Workflow, WorkflowParams } from './workflows.ts';

/** Secrets come from elsewhere and are kept as they are: neither trimmed nor normalized. */
const Secret = z
  .string()
  .min(8, 'must have at least 8 characters')
  .max(500, 'must have at most 500 characters')
  .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), 'must not hold control characters');
const base = { tag: 'Workflows', auth: 'bearer', permission: 'workflow:publish', params: WorkflowParams } as const;

export const putHookSecret = defineContract({
  ...base,
  id: 'putHookSecret',
  method: 'PUT',
  path: '/v1/orgs/:orgId/workflows/:workflowId/hook-secret',
  summary: 'Set what senders to the webhook sign with, or `user:password` for the scheme basic; no call answers it',
  body: z.strictObject({ secret: Secret }),
  status: 200,
  response: Done,
});

export const deleteHookSecret = defineContract({
  ...base,
  id: 'deleteHookSecret',
  method: 'DELETE',
  path: '/v1/orgs/:orgId/workflows/:workflowId/hook-secret',
  summary: 'Forget the secret; a webhook that asks for signatures then refuses every request',
  status: 200,
  response: Done,
});

export const rotateHook = defineContract({
  ...base,
  id: 'rotateHook',
  method: 'POST',
  path: '/v1/orgs/:orgId/workflows/:workflowId/hook/rotate',
  summary: 'Give the webhook a new address; the one before stops working at once',
  status: 200,
  response: z.object({ workflow: Workflow }),
});
