'use client';
import type { ExpressionBindings } from '@millrace/workflow/expression';
import { useEffect, useState } from 'react';
import { useEditorTools } from './editor-context.tsx';
import { hasExpressions, missingSamples, type Preview, toPreview } from './preview.ts';

const PAUSE_MS = 250;
const NONE: Preview = { type: 'none' };

/** What a value gives with the samples at hand, a moment after it was typed. */
export function usePreview(value: unknown, bindings: ExpressionBindings): Preview {
  const { evaluator } = useEditorTools();
  const [preview, setPreview] = useState<Preview>(NONE);
  useEffect(() => {
    if (!hasExpressions(value)) return setPreview(NONE);
    const missing = missingSamples(value, bindings);
    if (missing.length > 0) return setPreview({ type: 'missing', steps: missing });
    let isStale = false;
    const timer = setTimeout(async () => {
      const request = { templates: value, path: '', bindings, now: Date.now(), seed: 'preview' };
      const result = await evaluator.evaluate(request);
      if (!isStale) setPreview(toPreview(result));
    }, PAUSE_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [value, bindings, evaluator]);
  return preview;
}
