import { authorize } from '@millrace/db/lookups';
import { AppError } from '@millrace/shared/errors';
import { orgContextAccessDenied, orgContextHeaderFallback } from '@millrace/shared/events';
import { Id } from '@millrace/shared/ids';
import { hasPermission, type Permission } from '@millrace/shared/permissions';
import { verifyAccessToken } from '@millrace/shared/tokens';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OrgContext, PublicContext, UserContext } from '../context.ts';

/**
 * Credential to actor. Throws 401 unless the token is ours and its session is active right now: revoking a session
 * therefore counts at the next request, on every instance.
 */
export async function authenticateUser(context: PublicContext, request: FastifyRequest): Promise<UserContext> {
  const claims = await verifyBearer(context, request);
  const { isSessionActive } = await authorize(context.deps.db, { ...claims, orgId: null });
  if (!isSessionActive) throw new AppError('UNAUTHORIZED');
  return { ...context, ...claims };
}

/**
 * Credential, organization, membership and permission, with one indexed call to the database. The order of the
 * checks is part of the contract: who you are (401), which organization you mean (400), whether you belong (403),
 * whether your role may (403); so nobody learns about an organization they are not in.
 */
export async function authenticateMember(
  context: PublicContext,
  request: FastifyRequest,
  reply: FastifyReply,
  permission: Permission,
): Promise<OrgContext> {
  const claims = await verifyBearer(context, request);
  const orgId = readRouteOrg(request);
  const { isSessionActive, roleKey } = await authorize(context.deps.db, { ...claims, orgId });
  if (!isSessionActive) throw new AppError('UNAUTHORIZED');
  const userContext = { ...context, ...claims };
  checkOrgHeader(userContext, request, reply, orgId);
  if (!roleKey) {
    const { requestId, path, method } = context;
    orgContextAccessDenied(context.log, { requestId, userId: claims.userId, orgId, path, method });
    throw new AppError('ORG_ACCESS_DENIED');
  }
  if (!hasPermission(roleKey, permission)) throw new AppError('FORBIDDEN');
  return { ...userContext, orgId, roleKey };
}

/** True when the request brings a bearer credential at all, right or wrong. */
export function hasBearer(request: FastifyRequest): boolean {
  return request.headers.authorization !== undefined;
}

async function verifyBearer(context: PublicContext, request: FastifyRequest) {
  const match = /^Bearer ([A-Za-z0-9_.-]{1,4096})$/i.exec(request.headers.authorization ?? '');
  const nowSec = Math.floor(Date.now() / 1000);
  const claims = match?.[1] && (await verifyAccessToken(context.deps.signingKeys, match[1], nowSec));
  if (!claims) throw new AppError('UNAUTHORIZED');
  return { userId: claims.userId, sessionId: claims.sessionId, email: claims.email };
}

function readRouteOrg(request: FastifyRequest): string {
  const orgId = Id.safeParse((request.params as { orgId?: unknown }).orgId);
  if (orgId.success) return orgId.data;
  throw new AppError('BAD_REQUEST', undefined, {
    details: [{ path: 'params.orgId', code: 'INVALID_FORMAT', message: 'must be a UUID' }],
  });
}

function checkOrgHeader(context: UserContext, request: FastifyRequest, reply: FastifyReply, orgId: string): void {
  const reason = orgHeaderProblem(request, orgId);
  if (!reason) return;
  if (context.deps.config.ORG_CONTEXT_ENFORCEMENT === 'strict') throw new AppError(reason);
  reply.header('x-org-context-warning', reason);
  orgContextHeaderFallback(context.log, {
    requestId: context.requestId,
    reason,
    userId: context.userId,
    routeOrgId: orgId,
    headerOrgId: readHeader(request)?.slice(0, 100) ?? null,
    path: context.path,
    method: context.method,
  });
}

function orgHeaderProblem(request: FastifyRequest, orgId: string) {
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
