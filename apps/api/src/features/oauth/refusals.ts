import { AppError, type ErrorCode } from '@millrace/shared/errors';

/** Why a sign-in at a provider is refused, as logged, and what the caller is told. The catalogue of all reason codes. */
const REFUSALS = {
  // The request: never started here, not by this browser, or not what a provider sends.
  parameter_repeated: ['BAD_REQUEST', 'Each parameter may be sent once.'],
  parameter_too_long: ['BAD_REQUEST', 'A parameter is too long.'],
  mode_unknown: ['BAD_REQUEST', 'mode can only be json.'],
  state_missing: ['BAD_REQUEST', 'The parameter state is missing.'],
  state_malformed: startAgain(),
  /** Never issued, used already, or expired and cleared away. */
  state_unknown: startAgain(),
  state_expired: startAgain(),
  browser_unknown: startAgain(),
  browser_mismatch: startAgain(),
  provider_mismatch: startAgain(),
  flow_unreadable: startAgain(),
  code_missing: ['BAD_REQUEST', 'The parameter code is missing.'],
  too_many_open_flows: ['RATE_LIMITED', 'Too many sign-ins are under way; wait a minute and start again.'],
  // The provider and the way to it.
  provider_not_configured: ['OAUTH_PROVIDER_NOT_CONFIGURED'],
  provider_denied: ['OAUTH_EXCHANGE_FAILED', 'The sign-in was cancelled at the provider.'],
  provider_error: ['OAUTH_EXCHANGE_FAILED'],
  provider_timeout: ['OAUTH_EXCHANGE_FAILED', 'The provider does not answer in time; try again later.'],
  provider_unreachable: ['OAUTH_EXCHANGE_FAILED', 'The provider cannot be reached; try again later.'],
  provider_answer_invalid: ['OAUTH_EXCHANGE_FAILED'],
  discovery_invalid: ['OAUTH_EXCHANGE_FAILED'],
  issuer_missing: ['OAUTH_EXCHANGE_FAILED'],
  issuer_mismatch: ['OAUTH_EXCHANGE_FAILED'],
  code_refused: ['OAUTH_EXCHANGE_FAILED'],
  client_refused: ['OAUTH_EXCHANGE_FAILED'],
  // The id_token (OpenID Connect Core 1.0, section 3.1.3.7).
  id_token_missing: ['OAUTH_EXCHANGE_FAILED'],
  id_token_malformed: ['OAUTH_EXCHANGE_FAILED'],
  id_token_algorithm: ['OAUTH_EXCHANGE_FAILED'],
  id_token_key_unknown: ['OAUTH_EXCHANGE_FAILED'],
  id_token_signature: ['OAUTH_EXCHANGE_FAILED'],
  id_token_issuer: ['OAUTH_EXCHANGE_FAILED'],
  id_token_audience: ['OAUTH_EXCHANGE_FAILED'],
  id_token_authorized_party: ['OAUTH_EXCHANGE_FAILED'],
  id_token_time: ['OAUTH_EXCHANGE_FAILED'],
  id_token_claim: ['OAUTH_EXCHANGE_FAILED'],
  nonce_missing: ['OAUTH_INVALID_NONCE'],
  nonce_mismatch: ['OAUTH_INVALID_NONCE'],
  // The person and the account.
  subject_invalid: ['OAUTH_EXCHANGE_FAILED'],
  email_missing: ['OAUTH_EMAIL_REQUIRED'],
  email_unverified: ['OAUTH_EMAIL_REQUIRED'],
  /** Told apart from other failures in the log alone: nobody learns which accounts are disabled. */
  user_disabled: ['OAUTH_EXCHANGE_FAILED'],
  session_ended: ['UNAUTHORIZED'],
  identity_of_somebody_else: ['CONFLICT', 'This sign-in belongs to another account.'],
  account_has_other_identity: [
    'CONFLICT',
    'This account signs in with another account of this provider; sign in with that one, or unlink it first.',
  ],
  // What the request runs into before or beside all that.
  request_invalid: ['BAD_REQUEST'],
  rate_limited: ['RATE_LIMITED'],
  database_unavailable: ['DATABASE_UNAVAILABLE'],
  unexpected: ['INTERNAL'],
} as const satisfies Record<string, readonly [ErrorCode, string?]>;

export type Refusal = keyof typeof REFUSALS;

const RETRY_AFTER_SEC = 60;

/** The error to throw. Its reason travels as the cause, for the one place that logs. */
export function refuse(reasonCode: Refusal): AppError {
  const [code, message] = REFUSALS[reasonCode];
  const retry = code === 'RATE_LIMITED' && { retryAfterSec: RETRY_AFTER_SEC };
  return new AppError(code, message, { cause: { reasonCode }, ...retry });
}

/** The reason an error was thrown for by `refuse`, also when a library wrapped it; undefined for any other error. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('reasonCode' in error) return error.reasonCode as Refusal;
  return 'cause' in error ? refusalOf(error.cause) : undefined;
}

/** The reason to log for any error that ended a callback. */
export function reasonOf(error: unknown, code: ErrorCode): Refusal {
  const reason = refusalOf(error);
  if (reason) return reason;
  if (code === 'BAD_REQUEST') return 'request_invalid';
  if (code === 'RATE_LIMITED') return 'rate_limited';
  return code === 'DATABASE_UNAVAILABLE' ? 'database_unavailable' : 'unexpected';
}

/** One answer for every state that is not good: which of them it is helps only somebody who tries states. */
function startAgain(): readonly ['BAD_REQUEST', string] {
  return ['BAD_REQUEST', 'This sign-in was not started by this browser, is finished or has expired; start it again.'];
}
