import type { Database } from '@millrace/db/connect';
import { type Authorization, authorize, authorizeApiKey } from '@millrace/db/lookups';
import type { Contract } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { orgContextAccessDenied } from '@millrace/shared/events';
import { Id } from '@millrace/shared/ids';
import { hasPermission, type Permission, type RoleKey } from '@millrace/shared/permissions';
import { verifyAccessToken } from '@millrace/shared/tokens';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OrgContext, PublicContext, SessionContext, UserContext } from '../context.ts';
import { hashApiKey, isApiKey, noteApiKeyUse } from '../features/api-keys/key.ts';
import { checkOrgHeader } from './org-header.ts';

/** The question of `authorize`, with an answer that may hold more: what a hot read wants to know in the same round trip. */
export type AuthorizePerson = (
  db: Database,
  who: { sessionId: string; userId: string; orgId: string | null },
  params: unknown,
) => Promise<Authorization & Pick<OrgContext, 'runOfPath'>>;

/**
 * Credential to actor: a person's access token or an API key. Throws 401 unless the token is ours and its session is
 * active right now, or the key counts right now: revoking either therefore counts at the next request, on every instance.
 */
export async function authenticateUser(context: PublicContext, request: FastifyRequest): Promise<UserContext> {
  return (await findActor(context, request, null, authorize)).user;
}

/** As `authenticateUser`, for a person only. Throws 403 for an API key, whatever it may do. */
export async function authenticateSession(context: PublicContext, request: FastifyRequest): Promise<SessionContext> {
  const user = await authenticateUser(context, request);
  if (user.sessionId === null) throw forPeople();
  return { ...user, sessionId: user.sessionId, apiKey: null };
}

/**
 * Credential, organization, membership and permission, with one indexed call to the database. The order of the
 * checks is part of the contract: who you are (401), which organization you mean (400), whether you belong (403),
 * whether your role may (403); so nobody learns about an organization they are not in. A key may what its maker's role
 * holds now and it was given itself, except where a person is asked for.
 */
export async function authenticateMember(
  context: PublicContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { auth, permission }: Pick<Contract, 'auth'> & { permission: Permission },
  authorizePerson: AuthorizePerson = authorize,
): Promise<OrgContext> {
  const routeOrg = Id.safeParse((request.params as { orgId?: unknown }).orgId);
  const { user, roleKey, ...found } = await findActor(context, request, routeOrg.data ?? null, authorizePerson);
  if (!routeOrg.success) throw unreadableOrg();
  const orgId = routeOrg.data;
  checkOrgHeader(user, request, reply, orgId);
  if (!roleKey) {
    const { requestId, path, method } = context;
    orgContextAccessDenied(context.log, { requestId, userId: user.userId, orgId, path, method });
    throw new AppError('ORG_ACCESS_DENIED');
  }
  if (!hasPermission(roleKey, permission)) throw new AppError('FORBIDDEN');
  if (user.apiKey && auth === 'session') throw forPeople();
  if (user.apiKey && !user.apiKey.permissions.includes(permission))
    throw new AppError('FORBIDDEN', `This API key lacks the permission ${permission}.`);
  return { ...user, ...found, orgId, roleKey };
}

/** True when the request brings a bearer credential at all, right or wrong. */
export function hasBearer(request: FastifyRequest): boolean {
  return request.headers.authorization !== undefined;
}

interface Actor extends Pick<OrgContext, 'runOfPath'> {
  user: UserContext;
  /** In the organization asked about; null without a membership, or when none was asked about. */
  roleKey: RoleKey | null;
}

async function findActor(
  context: PublicContext,
  request: FastifyRequest,
  orgId: string | null,
  authorizePerson: AuthorizePerson,
): Promise<Actor> {
  const credential = /^Bearer ([A-Za-z0-9_.-]{1,4096})$/i.exec(request.headers.authorization ?? '')?.[1];
  if (credential === undefined) throw new AppError('UNAUTHORIZED');
  if (isApiKey(credential)) return findKey(context, credential, orgId);
  const claims = await verifyAccessToken(context.deps.signingKeys, credential, Math.floor(Date.now() / 1000));
  if (!claims) throw new AppError('UNAUTHORIZED');
  const { userId, sessionId } = claims;
  const who = { userId, sessionId, orgId };
  const { isSessionActive, ...found } = await authorizePerson(context.deps.db, who, request.params);
  if (!isSessionActive) throw new AppError('UNAUTHORIZED');
  return { user: { ...context, userId, sessionId, apiKey: null }, ...found };
}

/** A key belongs to one organization: for any other its maker is a stranger, member there or not. */
async function findKey(context: PublicContext, key: string, orgId: string | null): Promise<Actor> {
  const found = await authorizeApiKey(context.deps.db, hashApiKey(key));
  if (!found) throw new AppError('UNAUTHORIZED');
  if (found.isUseStale) await noteApiKeyUse(context, found);
  const { userId, permissions } = found;
  const apiKey = { id: found.keyId, orgId: found.orgId, permissions };
  const roleKey = found.orgId === orgId ? found.roleKey : null;
  return { user: { ...context, userId, sessionId: null, apiKey }, roleKey };
}

function forPeople(): AppError {
  return new AppError('FORBIDDEN', 'An API key cannot do this; sign in and use an access token.');
}

function unreadableOrg(): AppError {
  return new AppError('BAD_REQUEST', undefined, {
    details: [{ path: 'params.orgId', code: 'INVALID_FORMAT', message: 'must be a UUID' }],
  });
}
