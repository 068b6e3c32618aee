'use client';
import { findNode } from '@millrace/workflow/edit-steps';
import { useMemo } from 'react';
import { useEditorTools } from './editor-context.tsx';
import { bindingsFor, loopsAround } from './samples.ts';

/** A step of the document with what its expressions can read; null when it is gone. */
export function useStep(id: string) {
  const { document, samples } = useEditorTools();
  return useMemo(() => {
    const found = findNode(document, id);
    if (!found) return null;
    const bindings = bindingsFor(document, id, samples, new Date());
    return { ...found, bindings, isReachable: loopsAround(document, id) !== null };
  }, [document, id, samples]);
}
