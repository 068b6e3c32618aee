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

function sayOAuthFailure(code: string): string {
  if (!Object.hasOwn(ERROR_CATALOG, code)) return 'The sign-in did not work; start it again.';
  return ERROR_CATALOG[code as ErrorCode].message;
}
