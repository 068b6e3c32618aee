import { isCollision, isDatabaseTransient } from '@millrace/db/failures';
import { AppError, ERROR_CATALOG, type ErrorDetail } from '@millrace/shared/errors';
import { requestFailed } from '@millrace/shared/events';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { BARE_HEADERS } from './headers.ts';
import { loggablePath } from './request-path.ts';

/** The one shape of every answer from 400 up. */
export const ErrorEnvelope = z
  .object({
    code: z.string(),
    message: z.string(),
    requestId: z.string(),
    details: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Error' });

/** The one place where an error becomes an answer. Only errors of ours speak; all else is a 500 without a reason. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const appError = toAppError(error);
  logFailure(error, appError, request);
  if (appError.retryAfterSec !== undefined) reply.header('retry-after', appError.retryAfterSec);
  const envelope = {
    code: appError.code,
    message: appError.message,
    requestId: request.id,
    ...(appError.details && { details: appError.details }),
  };
  // Errors of the router itself come here without having passed the hooks that set these.
  reply.headers({ ...BARE_HEADERS, 'x-request-id': request.id });
  // Serialized here: an answer about a failure must not depend on the schema of the route that failed.
  return reply.code(appError.status).type('application/json; charset=utf-8').send(JSON.stringify(envelope));
}

/** What an error means to a caller. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const fastifyError = error as FastifyError;
    const where = fastifyError.validationContext ?? '';
    return new AppError('BAD_REQUEST', undefined, {
      details: error.validation.map((issue) => toDetail(where, issue)),
      cause: error,
    });
  }
  if (isCollision(error))
    return new AppError('CONFLICT', 'Something this depends on was changed or deleted at the same moment; try again.', {
      cause: error,
    });
  if (isDatabaseTransient(error))
    return new AppError('DATABASE_UNAVAILABLE', undefined, { cause: error, retryAfterSec: 1 });
  const status = (error as Partial<FastifyError>)?.statusCode;
  if (status === 413) return new AppError('PAYLOAD_TOO_LARGE', undefined, { cause: error });
  if (status === 415) return new AppError('UNSUPPORTED_MEDIA_TYPE', undefined, { cause: error });
  if (status !== undefined && status >= 400 && status < 500)
    return new AppError('BAD_REQUEST', 'The request could not be read: it is not valid HTTP or JSON.', {
      ...(isOfBody(error) && { details: [{ path: 'body', code: 'UNREADABLE', message: 'must be valid JSON' }] }),
      cause: error,
    });
  return new AppError('INTERNAL', undefined, { cause: error });
}

/** Whether a parser of bodies refused it: Fastify's own errors of these have such codes. */
function isOfBody(error: unknown): boolean {
  const { code = '' } = error as Partial<FastifyError>;
  return error instanceof SyntaxError || code.startsWith('FST_ERR_CTP_');
}

/** `what` goes on from the name of the header. */
export function badHeader(name: string, what: string): AppError {
  const detail = { path: `headers.${name.toLowerCase()}`, code: 'INVALID_FORMAT', message: what };
  return new AppError('BAD_REQUEST', `${name} ${what}.`, { details: [detail] });
}

function toDetail(where: string, issue: { instancePath: string; keyword: string; message?: string }): ErrorDetail {
  const path = issue.instancePath.replace(/^\//, '').replaceAll('/', '.');
  const prefix = where === 'body' || where === '' ? '' : `${where}.`;
  return {
    path: `${prefix}${path}`.replace(/\.$/, ''),
    code: issue.keyword.toUpperCase(),
    message: issue.message ?? 'is not valid',
  };
}

/** Logs the cause of a 5xx; everything below is the caller's doing and none of our business. */
export function logFailure(error: unknown, appError: AppError, request: FastifyRequest): void {
  if (appError.status < 500) return;
  const thrown = error instanceof Error ? error : new Error(describe(error));
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  requestFailed(request.log, {
    requestId: request.id,
    path: loggablePath(request),
    method: request.method,
    code: appError.code,
    error: cause.message,
    ...(appError.code === 'INTERNAL' && cause.stack && { stack: cause.stack }),
  });
}

/** Never throws, unlike String: here it would bring the framework's own answer, which quotes. */
function describe(thrown: unknown): string {
  return typeof thrown === 'object' ? Object.prototype.toString.call(thrown) : String(thrown);
}

/** Codes that any route of a kind can answer, for the printed contract. */
export function envelopeStatuses(codes: readonly (keyof typeof ERROR_CATALOG)[]): Record<number, typeof ErrorEnvelope> {
  return Object.fromEntries(codes.map((code) => [ERROR_CATALOG[code].status, ErrorEnvelope]));
}
