'use client';
import { useRouter, useSearchParams } from 'next/navigation';
import { useEffect, useRef } from 'react';
import { toReturnPath } from '../../lib/return-path.ts';
import { renewSession } from '../../lib/session.ts';
import { useSession } from '../../lib/use-session.ts';
import { toast } from '../../ui/toast-store.ts';
import { arrivalOf, useOAuthFailure } from './oauth-failure.ts';

/** Where a person goes on after signing in, and the way there: at once when their session still counts. */
export function useArrival() {
  const router = useRouter();
  const returnTo = toReturnPath(useSearchParams().get('returnTo'));
  const { status } = useSession();
  const oauthFailure = useOAuthFailure();
  const wasSignedOut = useRef(false);
  useEffect(() => {
    // A server that cannot be asked now will say so when the form is sent.
    if (status === 'unknown') renewSession().catch(() => {});
    if (status === 'signed-out') wasSignedOut.current = true;
    if (status !== 'signed-in') return;
    const failure = oauthFailure === undefined ? {} : { failure: oauthFailure };
    const { path, say } = arrivalOf(returnTo, { ...failure, wasSignedOut: wasSignedOut.current });
    if (say) toast(say, 'danger');
    router.replace(path);
  }, [status, oauthFailure, returnTo, router]);
  return { returnTo, oauthFailure };
}
