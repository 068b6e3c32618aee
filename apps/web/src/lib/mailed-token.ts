'use client';
import { useEffect, useState } from 'react';

export type MailedTokenPurpose = 'reset-password' | 'verify-email' | 'invitation';

/**
 * The token of a mailed link. It comes in the address's fragment, which no server sees; it is taken out of the address at
 * once, and kept in this tab alone, for the way through signing in and back. Undefined until the page runs; null: none.
 */
export function useMailedToken(purpose: MailedTokenPurpose): string | null | undefined {
  const [token, setToken] = useState<string | null>();
  useEffect(() => {
    const found = new URLSearchParams(window.location.hash.slice(1)).get('token');
    if (found) {
      sessionStorage.setItem(keyOf(purpose), found);
      window.history.replaceState(null, '', window.location.pathname);
    }
    setToken(sessionStorage.getItem(keyOf(purpose)));
  }, [purpose]);
  return token;
}

export function hasMailedToken(purpose: MailedTokenPurpose): boolean {
  return sessionStorage.getItem(keyOf(purpose)) !== null;
}

/** Once it was used, or cannot be. */
export function forgetMailedToken(purpose: MailedTokenPurpose): void {
  sessionStorage.removeItem(keyOf(purpose));
}

function keyOf(purpose: MailedTokenPurpose): string {
  return `millrace-mailed-${purpose}`;
}
