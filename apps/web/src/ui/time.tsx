'use client';
import { sayRelative, sayTime } from '../lib/time.ts';
import { useNow } from './use-now.ts';

/** How long ago, or when; the exact time on hover. */
export function Time({ at, className }: { at: string; className?: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={sayTime(at)} className={className}>
      {sayRelative(at, now)}
    </time>
  );
}
