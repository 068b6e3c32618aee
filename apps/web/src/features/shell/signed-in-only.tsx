'use client';
import { LoaderCircle } from 'lucide-react';
import type { ReactNode } from 'react';
import { Failure } from '../../ui/failure.tsx';
import { useSignedInOnly } from './use-signed-in-only.ts';

/** Shows its content to people who are signed in, and sends everybody else to the sign-in and back. */
export function SignedInOnly({ children }: { children: ReactNode }) {
  const { isReady, error, retry } = useSignedInOnly();
  if (isReady) return children;
  if (error)
    return (
      <main className="mx-auto grid min-h-dvh max-w-lg content-center px-4">
        <Failure error={error} onRetry={retry} />
      </main>
    );
  return (
    <div role="status" aria-label="Loading" className="grid min-h-dvh place-items-center">
      <LoaderCircle aria-hidden className="size-6 animate-spin text-muted" />
    </div>
  );
}
