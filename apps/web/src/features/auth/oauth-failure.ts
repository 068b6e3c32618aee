'use client';
import { ERROR_CATALOG, type ErrorCode } from '@millrace/shared/errors';
import { useEffect, useState } from 'react';

/** Why a sign-in at a provider came back without success: the API puts the code, and nothing else, into the fragment. */
export function useOAuthFailure(): string | undefined {
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    const code = new URLSearchParams(window.location.hash.slice(1)).get('error');
    if (code === null) return;
    window.history.replaceState(null, '', window.location.pathname + window.location.search);
    setFailure(sayOAuthFailure(code));
  }, []);
  return failure;
}

/** Where a code stands for several reasons, what a person can do about them. */
const WORDS: Partial<Record<ErrorCode, string>> = {
  OAUTH_EXCHANGE_FAILED:
    'No sign-in came of it: it was cancelled at the provider, or the provider did not confirm who you are. Try again, or use another way.',
  BAD_REQUEST: 'This sign-in was begun elsewhere, is finished or took too long; start it again.',
  CONFLICT:
    'Not linked: this sign-in belongs to another account, or yours has one of this provider already. Unlink that one first.',
  UNAUTHORIZED: 'Your session ended meanwhile; sign in and link the provider again.',
};

export function sayOAuthFailure(code: string): string {
  if (!Object.hasOwn(ERROR_CATALOG, code)) return 'The sign-in did not work; start it again.';
  return WORDS[code as ErrorCode] ?? ERROR_CATALOG[code as ErrorCode].message;
}

/** Where somebody goes on who is signed in: linking a provider that failed brings them here with their session. */
export function arrivalOf(returnTo: string, { failure, wasSignedOut }: { failure?: string; wasSignedOut: boolean }) {
  return failure && !wasSignedOut ? { path: '/account', say: failure } : { path: returnTo };
}
