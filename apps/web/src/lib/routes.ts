import type { logOut, refreshSession } from '@millrace/shared/contracts/auth';
import type { Contract } from '@millrace/shared/contracts/contract';
import type { getMe } from '@millrace/shared/contracts/me';
import type { listWorkflowRuns } from '@millrace/shared/contracts/runs';
import type { createWorkflow, listWorkflows } from '@millrace/shared/contracts/workflows';

/**
 * How an endpoint is called, without the schemas of its contract: these weigh as much as a third of a page's script.
 * What every page calls is called by this; the compiler holds each value against its contract.
 */
export interface Route<C extends Contract> {
  method: C['method'];
  path: C['path'];
  auth: C['auth'];
  /** Never set: it carries the type. */
  contract?: C;
}

export const REFRESH_SESSION: Route<typeof refreshSession> = {
  method: 'POST',
  path: '/v1/auth/refresh',
  auth: 'cookie',
};
export const LOG_OUT: Route<typeof logOut> = { method: 'POST', path: '/v1/auth/logout', auth: 'bearer-or-cookie' };
export const GET_ME: Route<typeof getMe> = { method: 'GET', path: '/v1/me', auth: 'bearer' };
export const LIST_WORKFLOWS: Route<typeof listWorkflows> = {
  method: 'GET',
  path: '/v1/orgs/:orgId/workflows',
  auth: 'bearer',
};
export const CREATE_WORKFLOW: Route<typeof createWorkflow> = {
  method: 'POST',
  path: '/v1/orgs/:orgId/workflows',
  auth: 'bearer',
};
export const LIST_WORKFLOW_RUNS: Route<typeof listWorkflowRuns> = {
  method: 'GET',
  path: '/v1/orgs/:orgId/workflows/:workflowId/runs',
  auth: 'bearer',
};
