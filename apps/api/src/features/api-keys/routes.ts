import * as contracts from '@millrace/shared/contracts/api-keys';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { createApiKey, listApiKeys, revokeApiKey } from './service.ts';

export function serveApiKeys(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.listApiKeys, (context, { query }) => listApiKeys(context, query));
  route(app, deps, contracts.createApiKey, (context, { body }) => createApiKey(context, body));
  route(app, deps, contracts.revokeApiKey, (context, { params }) => revokeApiKey(context, params.apiKeyId));
}
