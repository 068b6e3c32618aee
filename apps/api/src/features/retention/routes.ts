import * as contracts from '@millrace/shared/contracts/retention';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { getRetention, updateRetention } from './service.ts';

export function serveRetention(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.getRunRetention, (context) => getRetention(context));
  route(app, deps, contracts.updateRunRetention, (context, { body }) => updateRetention(context, body.days));
}
