import type { Document, Edit } from '@millrace/workflow/edit';
import { findNode } from '@millrace/workflow/edit-steps';
import { changeHistory, type History, type HistoryAction, openHistory } from './history.ts';
import { placeStill } from './places.ts';
import { changeSession, FIRST_SESSION, type Session, type SessionAction, TRIGGER } from './session.ts';

export interface EditorState {
  readonly history: History;
  readonly session: Session;
}

export type EditorStore = ReturnType<typeof createEditorStore>;

/** The document with its history and what this person looks at, each changed by its own actions only. */
export function createEditorStore(document: Document) {
  let state: EditorState = { history: openHistory(document), session: FIRST_SESSION };
  const listeners = new Set<() => void>();
  const set = (next: EditorState) => {
    if (next.history === state.history && next.session === state.session) return;
    state = next;
    for (const listener of listeners) listener();
  };
  const changeDocument = (action: HistoryAction) => {
    const history = changeHistory(state.history, action);
    set({ history, session: stillThere(history.present, state.session) });
  };
  return {
    read: () => state,
    document: () => state.history.present,
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    history: changeDocument,
    session: (action: SessionAction) => set({ ...state, session: changeSession(state.session, action) }),
    /** Makes an edit one step of the history; answers why it was refused, or null. See `History.subject`. */
    edit: (make: (document: Document) => Edit, subject?: string): string | null => {
      const edit = make(state.history.present);
      if (!edit.ok) return edit.problem.message;
      changeDocument({ type: 'change', document: edit.document, subject });
      return null;
    },
  };
}

/** Nobody looks at steps or places that are gone. */
function stillThere(document: Document, session: Session): Session {
  const place = placeStill(document, session.place);
  const nodes = session.nodes.filter((id) => id === TRIGGER || findNode(document, id) !== null);
  if (place === session.place && nodes.length === session.nodes.length) return session;
  return { ...session, place, nodes };
}
