import * as contracts from '@millrace/shared/contracts/workflows';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { deleteWorkflow } from './delete.ts';
import { listNextFires } from './schedule.ts';
import {
  createWorkflow,
  duplicateWorkflow,
  getWorkflow,
  listWorkflows,
  setWorkflowEnabled,
  updateWorkflow,
} from './service.ts';
import { getVersion, listVersions, publishWorkflow, restoreVersion } from './versions.ts';

export function serveWorkflows(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.createWorkflow, (context, { body }) => createWorkflow(context, body));
  route(app, deps, contracts.listWorkflows, (context, { query }) => listWorkflows(context, query));
  route(app, deps, contracts.getWorkflow, (context, { params }) => getWorkflow(context, params.workflowId));
  route(app, deps, contracts.updateWorkflow, (context, { params, body }) =>
    updateWorkflow(context, params.workflowId, body),
  );
  route(app, deps, contracts.deleteWorkflow, (context, { params }) => deleteWorkflow(context, params.workflowId));
  route(app, deps, contracts.publishWorkflow, (context, { params, body }) =>
    publishWorkflow(context, params.workflowId, body?.note),
  );
  route(app, deps, contracts.enableWorkflow, (context, { params }) =>
    setWorkflowEnabled(context, params.workflowId, true),
  );
  route(app, deps, contracts.disableWorkflow, (context, { params }) =>
    setWorkflowEnabled(context, params.workflowId, false),
  );
  route(app, deps, contracts.duplicateWorkflow, (context, { params }) => duplicateWorkflow(context, params.workflowId));
  route(app, deps, contracts.listNextFires, (context, { params, query }) =>
    listNextFires(context, params.workflowId, query.count),
  );
  route(app, deps, contracts.listVersions, (context, { params, query }) =>
    listVersions(context, params.workflowId, query),
  );
  route(app, deps, contracts.getVersion, (context, { params }) =>
    getVersion(context, params.workflowId, params.version),
  );
  route(app, deps, contracts.restoreVersion, (context, { params }) =>
    restoreVersion(context, params.workflowId, params.version),
  );
}
