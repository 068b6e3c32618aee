import { AppError } from '@millrace/shared/errors';
import { orgContextHeaderFallback, orgContextHeaderRefused } from '@millrace/shared/events';
import { Id } from '@millrace/shared/ids';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';

/**
 * `X-Org-Id` must be the organization of the path. `strict` throws 400; `warn` goes on with the path's organization and
 * tells the client by a header. Both write an event, so that clients which do not send it yet can be found.
 */
export function checkOrgHeader(
  context: UserContext,
  request: FastifyRequest,
  reply: FastifyReply,
  orgId: string,
): void {
  const reason = orgHeaderProblem(request, orgId);
  if (!reason) return;
  const fields = {
    requestId: context.requestId,
    reason,
    userId: context.userId,
    routeOrgId: orgId,
    headerOrgId: readHeader(request)?.slice(0, 100) ?? null,
    path: context.path,
    method: context.method,
  };
  if (context.deps.config.ORG_CONTEXT_ENFORCEMENT === 'strict') {
    orgContextHeaderRefused(context.log, fields);
    throw new AppError(reason);
  }
  reply.header('x-org-context-warning', reason);
  orgContextHeaderFallback(context.log, fields);
}

function orgHeaderProblem(
  request: FastifyRequest,
  orgId: string,
): 'ORG_CONTEXT_REQUIRED' | 'INVALID_ORG_CONTEXT' | undefined {
  const header = readHeader(request);
  if (header === undefined || header === '') return 'ORG_CONTEXT_REQUIRED';
  const parsed = Id.safeParse(header);
  return parsed.success && parsed.data === orgId ? undefined : 'INVALID_ORG_CONTEXT';
}

/** A header sent twice arrives joined by a comma and is then no UUID. */
function readHeader(request: FastifyRequest): string | undefined {
  const header = request.headers['x-org-id'];
  return Array.isArray(header) ? header.join(',') : header;
}
