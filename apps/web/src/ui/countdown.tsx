'use client';
import { sayCountdown, sayTime } from '../lib/time.ts';
import { useNow } from './use-now.ts';

const SECOND_MS = 1_000;

/** How long until then, by the second; the exact time on hover. */
export function Countdown({ to }: { to: string }) {
  const now = useNow(SECOND_MS);
  return (
    <time dateTime={to} title={sayTime(to)} className="tabular-nums">
      {sayCountdown(to, now)}
    </time>
  );
}
