import * as contracts from '@millrace/shared/contracts/variables';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { deleteVariable, listVariables, putVariable } from './service.ts';

export function serveVariables(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.listVariables, (context) => listVariables(context));
  route(app, deps, contracts.putVariable, (context, { params, body }) => putVariable(context, params.name, body.value));
  route(app, deps, contracts.deleteVariable, (context, { params }) => deleteVariable(context, params.name));
}
