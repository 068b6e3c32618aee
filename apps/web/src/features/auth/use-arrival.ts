'use client';
import { useRouter, useSearchParams } from 'next/navigation';
import { useCallback, useEffect } from 'react';
import { toReturnPath } from '../../lib/return-path.ts';
import { renewSession } from '../../lib/session.ts';
import { useSession } from '../../lib/use-session.ts';

/** Where a person goes on after signing in, and the way there: at once when their session still counts. */
export function useArrival() {
  const router = useRouter();
  const returnTo = toReturnPath(useSearchParams().get('returnTo'));
  const { status } = useSession();
  const goOn = useCallback(() => router.replace(returnTo), [router, returnTo]);
  useEffect(() => {
    // A server that cannot be asked now will say so when the form is sent.
    if (status === 'unknown') renewSession().catch(() => {});
    if (status === 'signed-in') goOn();
  }, [status, goOn]);
  return { returnTo };
}
