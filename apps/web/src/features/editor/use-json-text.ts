'use client';
import type { Json } from '@millrace/workflow/json';
import { useState } from 'react';

/** Text that somebody types as JSON; `onValue` hears of each value that it makes, and of none when it is emptied. */
export function useJsonText(initial: Json | undefined, onValue: (value: Json | undefined) => void) {
  const [text, setText] = useState(() => (initial === undefined ? '' : JSON.stringify(initial, null, 2)));
  const [problem, setProblem] = useState<string>();
  const change = (next: string) => {
    setText(next);
    const parsed = parseJsonText(next);
    setProblem(parsed.ok ? undefined : parsed.message);
    if (parsed.ok) onValue(parsed.value);
  };
  return { text, change, problem };
}

function parseJsonText(text: string): { ok: true; value: Json | undefined } | { ok: false; message: string } {
  if (text.trim() === '') return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch {
    return { ok: false, message: 'This is not JSON.' };
  }
}
