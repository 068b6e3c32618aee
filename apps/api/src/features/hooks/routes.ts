import * as contracts from '@millrace/shared/contracts/hooks';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { deleteHookSecret, putHookSecret, rotateHook } from './service.ts';

export function serveHooks(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.putHookSecret, (context, { params, body }) =>
    putHookSecret(context, params.workflowId, body.secret),
  );
  route(app, deps, contracts.deleteHookSecret, (context, { params }) => deleteHookSecret(context, params.workflowId));
  route(app, deps, contracts.rotateHook, (context, { params }) => rotateHook(context, params.workflowId));
}
