import * as bulk from '@millrace/shared/contracts/bulk-runs';
import * as values from '@millrace/shared/contracts/run-values';
import * as contracts from '@millrace/shared/contracts/runs';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { cancelRuns } from './bulk-cancel.ts';
import { retryRuns } from './bulk-retry.ts';
import { cancelRun } from './cancel.ts';
import { decideStep } from './decide.ts';
import { streamRunEvents } from './events.ts';
import { sendFile } from './files.ts';
import { authorizeAndReadRunOfPath, getRun, listRuns, listWorkflowRuns } from './queries.ts';
import { retryRun } from './retry.ts';
import { startRun } from './service.ts';
import { getRunStanding } from './standing-query.ts';
import { sendValue } from './values.ts';

export function serveRuns(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.createRun, (context, { params, body }) =>
    startRun(context, params.workflowId, body?.input),
  );
  route(app, deps, contracts.listWorkflowRuns, (context, { params, query }) =>
    listWorkflowRuns(context, params.workflowId, query),
  );
  route(app, deps, contracts.listRuns, (context, { query }) => listRuns(context, query));
  route(app, deps, contracts.getRun, (context, { params }) => getRun(context, params.workflowId, params.runId), {
    authorizePerson: authorizeAndReadRunOfPath,
  });
  const { getRunInput, getRunOutput, getStepInput, getStepOutput } = values;
  route(app, deps, getRunInput, (context, { params }, { reply }) => sendValue(context, params, 'input', reply));
  route(app, deps, getRunOutput, (context, { params }, { reply }) => sendValue(context, params, 'output', reply));
  route(app, deps, getStepInput, (context, { params }, { reply }) => sendValue(context, params, 'input', reply));
  route(app, deps, getStepOutput, (context, { params }, { reply }) => sendValue(context, params, 'output', reply));
  route(app, deps, values.getRunFile, (context, { params }, { reply }) => sendFile(context, params, reply));
  route(app, deps, contracts.streamRunEvents, (context, { params }, http) => streamRunEvents(context, params, http));
  route(app, deps, contracts.getRunStanding, (context, { params }) => getRunStanding(context, params));
  // Before the server waits for its requests to end: these would not.
  app.addHook('preClose', async () => deps.runWatches.close());
  route(app, deps, contracts.cancelRun, (context, { params }) => cancelRun(context, params.workflowId, params.runId));
  route(app, deps, contracts.retryRun, (context, { params, body }) => retryRun(context, params, body?.latest ?? false));
  route(app, deps, bulk.cancelRuns, (context, { body }) => cancelRuns(context, body));
  route(app, deps, bulk.retryRuns, (context, { body }) => retryRuns(context, body));
  route(app, deps, contracts.decideStep, (context, { params, body }) => decideStep(context, params, body));
}
