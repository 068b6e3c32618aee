import type {
  Contract,
  ContractBody,
  ContractParams,
  ContractQuery,
  ContractResponse,
} from '@millrace/shared/contracts/contract';
import { AppError, type ErrorCode } from '@millrace/shared/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Client, OrgContext, PublicContext, SessionContext, UserContext } from '../context.ts';
import type { Deps } from '../deps.ts';
import { type AuthorizePerson, authenticateMember, authenticateSession, authenticateUser } from './authenticate.ts';
import { bodyLimitOf } from './body-limit.ts';
import { readAddress } from './client-address.ts';
import { answerError, envelopeStatuses } from './errors.ts';
import { answerIdempotently, readIdempotencyKey } from './idempotency.ts';
import { isStorableText } from './json-body.ts';
import { spendRequest } from './rate-limits.ts';
import { loggablePath } from './request-path.ts';

type ContextOf<C extends Contract> = C extends { permission: string }
  ? OrgContext
  : C extends { auth: 'bearer' }
    ? UserContext
    : C extends { auth: 'session' }
      ? SessionContext
      : PublicContext;

interface Input<C extends Contract> {
  params: ContractParams<C>;
  query: ContractQuery<C>;
  body: ContractBody<C>;
}

/** What only routes that set or read cookies, or redirect, may touch. */
export interface Http {
  request: FastifyRequest;
  reply: FastifyReply;
}

export type Handler<C extends Contract> = (
  context: ContextOf<C>,
  input: Input<C>,
  http: Http,
) => Promise<ContractResponse<C> | FastifyReply>;

declare module 'fastify' {
  interface FastifyContextConfig {
    contract?: Contract;
  }
  interface FastifyRequest {
    actor?: PublicContext | UserContext | OrgContext;
  }
}

const NoQuery = z.strictObject({});
const NoBody = z.strictObject({}).optional();

/**
 * Serves one contract. Limits are held and the actor is known before a byte of the body is read; parameters, query and
 * body are parsed by the contract's schemas; the answer leaves through its response schema, so undeclared fields cannot
 * leave at all. `answerFailure` stands in for `answerError` where a failure is more than an envelope.
 */
export function route<C extends Contract>(
  app: FastifyInstance,
  deps: Deps,
  contract: C,
  handler: Handler<C>,
  options: { authorizePerson?: AuthorizePerson; answerFailure?: typeof answerError } = {},
): void {
  app.route({
    method: contract.method,
    url: contract.path,
    config: { contract },
    bodyLimit: bodyLimitOf(contract),
    errorHandler: options.answerFailure ?? answerError,
    schema: {
      operationId: contract.id,
      summary: contract.summary,
      tags: [contract.tag],
      ...(contract.params && { params: contract.params }),
      querystring: contract.query ?? NoQuery,
      ...(contract.method !== 'GET' && { body: contract.body ?? NoBody }),
      response: { [contract.status]: contract.response, ...envelopeStatuses(possibleErrors(contract)) },
      ...(isBearer(contract) && { security: [{ bearer: [] }] }),
    } as object,
    onRequest: async (request, reply) => {
      request.actor = await admit(openContext(deps, request), contract, request, reply, options.authorizePerson);
    },
    preValidation: async (request) => refuseUnstorableText(request),
    handler: async (request, reply) => {
      const input = { params: request.params, query: request.query, body: request.body } as Input<C>;
      const context = request.actor as ContextOf<C>;
      reply.code(contract.status);
      const idempotency = contract.isIdempotent && readIdempotencyKey(request);
      if (!idempotency) return handler(context, input, { request, reply });
      const orgContext = { ...(context as OrgContext), idempotency };
      return answerIdempotently(orgContext, reply, () =>
        handler(orgContext as ContextOf<C>, input, { request, reply }),
      );
    },
  });
}

/** What a use case receives for a request whose caller is nobody yet. */
export function openContext(deps: Deps, request: FastifyRequest): PublicContext {
  return {
    deps,
    requestId: request.id,
    log: deps.log, // events carry the request's id as a field of their own
    path: loggablePath(request),
    method: request.method,
    client: readClient(request),
    traceparent: request.span?.traceparent,
  };
}

/** Who calls, once the limits of their address and then of themselves are held. */
async function admit(
  context: PublicContext,
  contract: Contract,
  request: FastifyRequest,
  reply: FastifyReply,
  authorizePerson?: AuthorizePerson,
) {
  const { rateLimit, userRateLimit } = contract;
  if (rateLimit) await spendRequest(context, rateLimit, context.client.ipAddress, reply);
  const actor = await findActor(context, contract, request, reply, authorizePerson);
  if (userRateLimit && isUser(actor)) await spendRequest(context, userRateLimit, actor.userId, reply);
  return actor;
}

function isUser(actor: PublicContext | UserContext): actor is UserContext {
  return 'userId' in actor;
}

async function findActor(
  context: PublicContext,
  contract: Contract,
  request: FastifyRequest,
  reply: FastifyReply,
  authorizePerson?: AuthorizePerson,
) {
  const { auth, permission } = contract;
  if (permission) return authenticateMember(context, request, reply, { auth, permission }, authorizePerson);
  switch (auth) {
    case 'bearer':
      return authenticateUser(context, request);
    case 'session':
      return authenticateSession(context, request);
    case 'public':
    case 'cookie':
    case 'bearer-or-cookie':
      return context;
  }
}

function readClient(request: FastifyRequest): Client {
  const userAgent = request.headers['user-agent']?.toWellFormed().slice(0, 400) ?? null;
  // A trusted proxy may still pass on text that is no address; then the proxy itself is the caller.
  const ipAddress = readAddress(request.ip) ?? readAddress(request.socket.remoteAddress ?? '') ?? 'unknown';
  return { userAgent, ipAddress };
}

function isBearer({ auth }: Contract): boolean {
  return auth === 'bearer' || auth === 'session';
}

function refuseUnstorableText(request: FastifyRequest): void {
  for (const [where, values] of Object.entries({ params: request.params, query: request.query })) {
    for (const [name, value] of Object.entries((values ?? {}) as Record<string, unknown>)) {
      if (typeof value !== 'string' || isStorableText(value)) continue;
      const message = 'must be well-formed Unicode without NUL characters';
      throw new AppError('BAD_REQUEST', undefined, {
        details: [{ path: `${where}.${name}`, code: 'TEXT_NOT_STORABLE', message }],
      });
    }
  }
}

function possibleErrors(contract: Contract): ErrorCode[] {
  const codes: ErrorCode[] = ['BAD_REQUEST', 'DATABASE_UNAVAILABLE', ...(contract.errors ?? [])];
  if (contract.rateLimit || contract.userRateLimit) codes.push('RATE_LIMITED');
  if (contract.auth !== 'public') codes.push('UNAUTHORIZED');
  if (contract.permission) codes.push('ORG_ACCESS_DENIED', 'NOT_FOUND');
  if (contract.auth === 'session') codes.push('FORBIDDEN');
  if (contract.method !== 'GET') codes.push('CONFLICT', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE');
  return codes;
}
