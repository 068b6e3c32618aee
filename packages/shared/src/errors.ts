/** One catalogue of everything that can go wrong in front of a client, and the one error class that carries it. */

export const ERROR_CATALOG = {
  BAD_REQUEST: { status: 400, message: 'The request is not valid; see details for each problem.' },
  ORG_CONTEXT_REQUIRED: {
    status: 400,
    message: 'Send the X-Org-Id header with the id of the organization in the path.',
  },
  INVALID_ORG_CONTEXT: {
    status: 400,
    message: 'X-Org-Id must be one UUID, equal to the organization id in the path.',
  },
  OAUTH_EMAIL_REQUIRED: { status: 400, message: 'The provider did not share a verified e-mail address.' },
  INVITATION_EXPIRED: { status: 400, message: 'This invitation has expired; ask for a new one.' },
  INVITATION_USED: { status: 400, message: 'This invitation was already used or revoked; ask for a new one.' },
  TOKEN_INVALID: { status: 400, message: 'This link is not valid any more; ask for a new one.' },
  UNAUTHORIZED: { status: 401, message: 'Sign in first: the credentials are missing, wrong or no longer valid.' },
  OAUTH_EXCHANGE_FAILED: { status: 401, message: 'The provider did not accept the sign-in; start it again.' },
  OAUTH_INVALID_NONCE: { status: 401, message: 'The sign-in answer does not belong to this attempt; start it again.' },
  FORBIDDEN: { status: 403, message: 'Your role in this organization does not allow this.' },
  ORG_ACCESS_DENIED: { status: 403, message: 'You are not a member of this organization.' },
  NOT_FOUND: { status: 404, message: 'There is nothing here with that address or id.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'This address does not answer that method; see the Allow header.' },
  CONFLICT: { status: 409, message: 'The request does not fit the current state.' },
  ALREADY_RESUMED: { status: 409, message: 'This address was called before; it takes one call.' },
  LAST_OWNER: { status: 409, message: 'An organization keeps at least one owner; make somebody else owner first.' },
  RESUME_EXPIRED: { status: 410, message: 'Nobody waits for this call any more.' },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    message: 'The body is too large: 1 MiB at most, 16 KiB before signing in, 1 KiB where none is expected.',
  },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'Send the body as application/json.' },
  WORKFLOW_INVALID: { status: 422, message: 'The workflow cannot be published yet; see details for each problem.' },
  RATE_LIMITED: { status: 429, message: 'Too many requests; wait as long as Retry-After says.' },
  RUN_LIMIT_EXCEEDED: { status: 429, message: 'The organization has reached its limit of runs.' },
  RUN_FAILED: { status: 500, message: 'The workflow of this webhook failed, or was cancelled, before it answered.' },
  INTERNAL: { status: 500, message: 'Something went wrong on our side; quote the requestId when you report it.' },
  QUEUE_UNAVAILABLE: { status: 503, message: 'The queue cannot be reached; nothing was stored, try again shortly.' },
  DATABASE_UNAVAILABLE: { status: 503, message: 'The database cannot serve this right now; try again shortly.' },
  OAUTH_PROVIDER_NOT_CONFIGURED: {
    status: 503,
    message: 'Sign-in with this provider is not set up on this server; set its client id and secret.',
  },
} as const satisfies Record<string, { status: number; message: string }>;

export type ErrorCode = keyof typeof ERROR_CATALOG;

/** One problem of a request or document: where, what kind, and a sentence. */
export interface ErrorDetail {
  path: string;
  code: string;
  message: string;
}

export interface AppErrorOptions {
  details?: readonly ErrorDetail[];
  retryAfterSec?: number;
  cause?: unknown;
}

/**
 * The only error thrown on purpose. `message` reaches the client: write a sentence to act on, never a secret,
 * SQL text or another tenant's data. `cause` reaches the log alone.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: readonly ErrorDetail[] | undefined;
  readonly retryAfterSec: number | undefined;

  constructor(code: ErrorCode, message?: string, options: AppErrorOptions = {}) {
    super(message ?? ERROR_CATALOG[code].message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = ERROR_CATALOG[code].status;
    this.details = options.details;
    this.retryAfterSec = options.retryAfterSec;
  }
}
