import type { AppError } from '@millrace/shared/errors';
import { ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client';
import { type Refusal, refusalOf, refuse } from './refusals.ts';

/**
 * Turns what openid-client threw into a refusal of ours. Its errors carry tokens and claims as their causes; of those
 * only the kind is looked at, and nothing of them is kept.
 */
export function refuseFailure(error: unknown): AppError {
  return refuse(refusalOf(error) ?? reasonFor(error));
}

function reasonFor(error: unknown): Refusal {
  if (error instanceof WWWAuthenticateChallengeError) return 'client_refused';
  if (error instanceof ResponseBodyError) return reasonForAnswer(error.error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // The library wraps its own error, whose cause says what was looked at.
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  const about = inner?.cause;
  if (code === 'OAUTH_KEY_SELECTION_FAILED') return 'id_token_key_unknown';
  if (code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED') return 'id_token_time';
  if (code === 'OAUTH_UNSUPPORTED_OPERATION') return 'id_token_algorithm';
  if (code === 'OAUTH_JWT_CLAIM_COMPARISON_FAILED') return reasonForClaim(about);
  if (code === 'OAUTH_INVALID_RESPONSE') return reasonForInvalid(about);
  if (code === 'OAUTH_PARSE_ERROR' && inner?.message.includes('JWT')) return 'id_token_malformed';
  return 'provider_answer_invalid';
}

/** RFC 6749, section 5.2. GitHub says the same with other words and status 200. */
function reasonForAnswer(error: unknown): Refusal {
  const isAboutUs = ['invalid_client', 'unauthorized_client', 'incorrect_client_credentials'].includes(String(error));
  return isAboutUs ? 'client_refused' : 'code_refused';
}

function reasonForClaim(about: unknown): Refusal {
  const claim = isRecord(about) ? about.claim : undefined;
  if (claim === 'iss') return 'id_token_issuer';
  if (claim === 'aud') return 'id_token_audience';
  if (claim === 'azp') return 'id_token_authorized_party';
  return claim === 'nonce' ? 'nonce_mismatch' : 'id_token_claim';
}

function reasonForInvalid(about: unknown): Refusal {
  if (!isRecord(about)) return 'id_token_malformed';
  if ('signature' in about) return 'id_token_signature';
  if ('header' in about) return 'id_token_algorithm';
  if (isRecord(about.claims)) return reasonForClaims(about.claims);
  if (!isRecord(about.body)) return 'provider_answer_invalid';
  if (typeof about.body.error === 'string') return reasonForAnswer(about.body.error);
  const hasToken = typeof about.body.access_token === 'string' && typeof about.body.token_type === 'string';
  return hasToken && about.body.id_token === undefined ? 'id_token_missing' : 'provider_answer_invalid';
}

/** Required claims are looked for in this order, the nonce last. */
function reasonForClaims(claims: Record<string, unknown>): Refusal {
  const isOnlyNonceMissing = ['aud', 'exp', 'iat', 'iss', 'sub'].every((name) => claims[name] !== undefined);
  return isOnlyNonceMissing && claims.nonce === undefined ? 'nonce_missing' : 'id_token_claim';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
