import { copySteps, pasteSteps, printClip, readClip } from '@millrace/workflow/clip';
import { connect, disconnect, type EdgeEnds, type Place } from '@millrace/workflow/edit';
import { addStep, insertStep, removeSteps, type Spot } from '@millrace/workflow/edit-steps';
import type { EditorStore } from './editor-store.ts';
import { newStep } from './node-kinds.ts';
import type { Positions } from './positions.ts';
import { edgeOfKey, type Session, TRIGGER } from './session.ts';
import { spotFor, spotOnEdge } from './spots.ts';

/** What was refused, in words; null when it was done. */
export type Refusal = string | null;

/** Adds a step of a kind and selects it; without a spot, where somebody looks. `at`: where it was dropped. */
export function addStepOfKind(
  store: EditorStore,
  type: string,
  { spot, at, keep }: { spot?: Spot; at?: { x: number; y: number }; keep?: (positions: Positions) => void } = {},
): Refusal {
  const { session } = store.read();
  const document = store.document();
  const step = newStep(document, type);
  if (at) keep?.({ [step.id]: at });
  const refusal = store.edit((it) => addStep(it, step, session.place, spot ?? spotFor(document, session)));
  if (refusal === null) store.session({ type: 'show', place: session.place, nodes: [step.id] });
  return refusal;
}

/** Puts a step that nothing leads to or from onto an edge: one step of the history. */
export function insertOnEdge(store: EditorStore, id: string, key: string): Refusal {
  return store.edit((document) => insertStep(document, id, spotOnEdge(key)));
}

/** Removes what is selected. The trigger stays: a run begins with something. */
export function removeSelected(store: EditorStore): Refusal {
  const { nodes, edges } = store.read().session;
  const steps = nodes.filter((id) => id !== TRIGGER);
  if (steps.length > 0) {
    const refusal = store.edit((document) => removeSteps(document, steps));
    store.session({ type: 'select', nodes: [] });
    return refusal;
  }
  for (const key of edges) {
    const refusal = store.edit((document) => disconnect(document, edgeOfKey(key)));
    if (refusal !== null) return refusal;
  }
  store.session({ type: 'select', nodes: [] });
  return null;
}

export function connectSteps(store: EditorStore, edge: EdgeEnds): Refusal {
  return store.edit((document) => connect(document, edge));
}

export function disconnectSteps(store: EditorStore, edge: EdgeEnds): Refusal {
  return store.edit((document) => disconnect(document, edge));
}

/** The selected steps as text for the clipboard; null when none is. */
export function copySelected(store: EditorStore): string | null {
  const clip = copySteps(store.document(), store.read().session.nodes);
  return clip && printClip(clip);
}

/** Adds copied steps and selects them; `false` when the text holds none. */
export function pasteText(store: EditorStore, text: string, place: Place): Refusal | false {
  const clip = readClip(text);
  if (!clip) return false;
  const { edit, ids } = pasteSteps(store.document(), clip, place);
  const refusal = store.edit(() => edit);
  if (refusal === null) store.session({ type: 'show', place, nodes: ids });
  return refusal;
}

/** All steps of the place that is shown. */
export function selectAll(store: EditorStore, ids: readonly string[]): void {
  store.session({ type: 'select', nodes: ids.filter((id) => id !== TRIGGER) });
}

export function showStep(store: EditorStore, target: Pick<Session, 'place' | 'nodes'>): void {
  store.session({ type: 'show', ...target });
}
