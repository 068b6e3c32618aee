'use client';
import { useState } from 'react';
import { toast } from './toast-store.ts';

const SHOWN_MS = 2_000;

export function useCopy(text: string) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Browsers have no clipboard on plain http, except on this machine.
      toast('Your browser does not let pages copy here; select the text and copy it.', 'danger');
      return;
    }
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return { isCopied, copy };
}
