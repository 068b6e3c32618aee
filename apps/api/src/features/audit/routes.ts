import { listAuditEntries as contract } from '@millrace/shared/contracts/audit';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { listAuditEntries } from './list.ts';

export function serveAudit(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contract, (context, { query }) => listAuditEntries(context, query));
}
