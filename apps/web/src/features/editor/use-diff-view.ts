'use client';
import { useEffect, useRef } from 'react';

interface DiffViewSettings {
  label: string;
  before: string;
  after: string;
}

/** The comparison is large, so it comes when it is looked at. */
export function useDiffView({ label, before, after }: DiffViewSettings) {
  const parent = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let close: (() => void) | undefined;
    let isGone = false;
    void import('./diff-editor.ts').then(({ openDiff }) => {
      if (!isGone && parent.current) close = openDiff({ parent: parent.current, label, before, after });
    });
    return () => {
      isGone = true;
      close?.();
    };
  }, [label, before, after]);
  return parent;
}
