import { getRunLimits } from '@millrace/shared/contracts/run-limits';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { readRunLimits } from './service.ts';

export function serveRunLimits(app: FastifyInstance, deps: Deps): void {
  route(app, deps, getRunLimits, (context) => readRunLimits(context));
}
