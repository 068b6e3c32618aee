'use client';
import { useEffect, useState } from 'react';

const EVERY_MS = 15_000;

/** The time, followed loosely unless `everyMs` says otherwise: for words like "3 minutes ago". */
export function useNow(everyMs = EVERY_MS): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
