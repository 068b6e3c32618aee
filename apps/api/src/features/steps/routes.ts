import * as contracts from '@millrace/shared/contracts/steps';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { deletePin, listPins, putPin, testStep } from './service.ts';

export function serveSteps(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.testStep, (context, { params, body }) => testStep(context, params.workflowId, body));
  route(app, deps, contracts.listPins, (context, { params }) => listPins(context, params.workflowId));
  route(app, deps, contracts.putPin, (context, { params, body }) =>
    putPin(context, params.workflowId, params.stepId, body.output),
  );
  route(app, deps, contracts.deletePin, (context, { params }) => deletePin(context, params.workflowId, params.stepId));
}
