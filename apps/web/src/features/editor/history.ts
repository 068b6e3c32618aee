import type { Document } from '@millrace/workflow/edit';

/** Definitions one after the other. Nothing else is undone: positions, selection and what is saved have other owners. */
export interface History {
  readonly past: readonly Document[];
  readonly present: Document;
  readonly future: readonly Document[];
  /** What the last change was about; a next one about the same, such as more typing in a field, joins it. */
  readonly subject: string | null;
}

const MOST = 200;

export type HistoryAction =
  | { type: 'change'; document: Document; subject?: string }
  | { type: 'undo' }
  | { type: 'redo' }
  /** What somebody else made of the document: nothing to be undone. */
  | { type: 'load'; document: Document };

export function openHistory(document: Document): History {
  return { past: [], present: document, future: [], subject: null };
}

export function changeHistory(history: History, action: HistoryAction): History {
  switch (action.type) {
    case 'change':
      return change(history, action.document, action.subject ?? null);
    case 'load':
      return openHistory(action.document);
    case 'undo': {
      const previous = history.past.at(-1);
      if (!previous) return history;
      const future = [history.present, ...history.future];
      return { past: history.past.slice(0, -1), present: previous, future, subject: null };
    }
    case 'redo': {
      const [next, ...future] = history.future;
      if (!next) return history;
      return { past: [...history.past, history.present], present: next, future, subject: null };
    }
  }
}

function change(history: History, document: Document, subject: string | null): History {
  if (document === history.present) return history;
  const joins = subject !== null && subject === history.subject;
  const past = joins ? history.past : [...history.past, history.present].slice(-MOST);
  return { past, present: document, future: [], subject };
}
