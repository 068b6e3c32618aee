import { expect, it } from 'vitest';
import { AppError, ERROR_CATALOG, type ErrorCode } from './errors.ts';

/** What clients rely on, written out: neither a code nor its status may change by accident. */
const STATUSES: Partial<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  ORG_CONTEXT_REQUIRED: 400,
  INVALID_ORG_CONTEXT: 400,
  OAUTH_EMAIL_REQUIRED: 400,
  UNAUTHORIZED: 401,
  OAUTH_EXCHANGE_FAILED: 401,
  OAUTH_INVALID_NONCE: 401,
  ORG_ACCESS_DENIED: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  LAST_OWNER: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  WORKFLOW_INVALID: 422,
  RATE_LIMITED: 429,
  RUN_LIMIT_EXCEEDED: 429,
  QUEUE_UNAVAILABLE: 503,
  DATABASE_UNAVAILABLE: 503,
  OAUTH_PROVIDER_NOT_CONFIGURED: 503,
};

it.each(Object.entries(STATUSES))('answers %s with %i', (code, status) => {
  expect(new AppError(code as ErrorCode).status).toBe(status);
});

it.each(Object.entries(ERROR_CATALOG))('explains %s in a sentence to act on', (code, { status, message }) => {
  expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(600);
  expect(message).toMatch(/^[A-Z].{15,}[.]$/);
});

it('carries what the answer needs, and keeps the cause for the log', () => {
  const cause = new Error('SELECT secret');
  const details = [{ path: 'name', code: 'TOO_SMALL', message: 'must not be empty' }];
  const error = new AppError('BAD_REQUEST', 'Look at the name.', { details, retryAfterSec: 3, cause });
  expect(error).toMatchObject({ code: 'BAD_REQUEST', status: 400, details, retryAfterSec: 3, cause });
  expect(error.message).toBe('Look at the name.');
  expect(new AppError('NOT_FOUND').message).toBe(ERROR_CATALOG.NOT_FOUND.message);
});
