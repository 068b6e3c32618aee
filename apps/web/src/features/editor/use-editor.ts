'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import type { Document } from '@millrace/workflow/edit';
import type { Problem } from '@millrace/workflow/problem';
import { validateDefinition } from '@millrace/workflow/validate';
import { useDeferredValue, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { toast } from '../../ui/toast-store.ts';
import type { Refusal } from './actions.ts';
import { createEditorStore, type EditorStore } from './editor-store.ts';
import { createEvaluator } from './evaluator.ts';
import { openPositions, type PositionsStore } from './positions-store.ts';
import type { Session } from './session.ts';
import { type Pins, usePins } from './use-pins.ts';
import { useSamples } from './use-samples.ts';
import { type Saving, useSaving } from './use-saving.ts';

export interface EditorTools {
  workflow: Workflow;
  store: EditorStore;
  positions: PositionsStore;
  document: Document;
  session: Session;
  canUndo: boolean;
  canRedo: boolean;
  /** By the same check that publishing makes. */
  problems: readonly Problem[];
  saving: Saving;
  pins: Pins;
  samples: ReturnType<typeof useSamples>;
  evaluator: ReturnType<typeof createEvaluator>;
}

/** Everything the parts of one open editor share. Document, session and server state have an owner each. */
export function useEditor(workflow: Workflow): EditorTools {
  const [store] = useState(() => createEditorStore(workflow.dsl));
  const [positions] = useState(() => openPositions(workflow.id));
  const [evaluator] = useState(createEvaluator);
  const { history, session } = useSyncExternalStore(store.subscribe, store.read, store.read);
  const document = history.present;
  const problems = useProblems(document);
  const saving = useSaving(workflow, store);
  const pins = usePins(workflow.id);
  const samples = useSamples(workflow, pins);
  useEffect(() => () => evaluator.end(), [evaluator]);
  const [canUndo, canRedo] = [history.past.length > 0, history.future.length > 0];
  return {
    workflow,
    store,
    positions,
    document,
    session,
    canUndo,
    canRedo,
    problems,
    saving,
    pins,
    samples,
    evaluator,
  };
}

/** Typing goes on while a large document is judged. */
function useProblems(document: Document): readonly Problem[] {
  const judged = useDeferredValue(document);
  return useMemo(() => {
    const validation = validateDefinition(judged);
    return validation.ok ? [] : validation.problems;
  }, [judged]);
}

/** Says why something was not done. */
export function sayRefusal(refusal: Refusal | false): void {
  if (refusal) toast(refusal, 'danger');
}
