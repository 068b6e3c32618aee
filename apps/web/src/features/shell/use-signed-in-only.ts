'use client';
import { useRouter } from 'next/navigation';
import { useCallback, useEffect, useState } from 'react';
import { signInPath } from '../../lib/return-path.ts';
import { renewSession } from '../../lib/session.ts';
import { useSession } from '../../lib/use-session.ts';

export function useSignedInOnly() {
  const router = useRouter();
  const { status } = useSession();
  const [error, setError] = useState<unknown>();
  const retry = useCallback(() => {
    setError(undefined);
    renewSession().catch(setError);
  }, []);
  useEffect(() => {
    if (status === 'unknown') retry();
    if (status === 'signed-out') router.replace(signInPath(window.location.pathname + window.location.search));
  }, [status, retry, router]);
  return { isReady: status === 'signed-in', error, retry };
}
