'use client';
import { useRef } from 'react';
import { JsonEditorPane } from '../workflows/json-editor-pane.tsx';
import { isSameJson } from '../workflows/same-json.ts';
import { useEditorTools } from './editor-context.tsx';
import { paneText, type Typed } from './json-pane.ts';
import { readDocument } from './read-document.ts';

/** The document as text: what is typed is drawn, what is drawn is typed. Text that is no JSON changes nothing yet. */
export function JsonPanel({ isReadOnly }: { isReadOnly: boolean }) {
  const { document, store } = useEditorTools();
  const typed = useRef<Typed>({ text: '', document: null });
  const text = paneText(typed.current, document);
  const change = (next: string) => {
    const read = readDocument(next);
    if (read.ok && !isSameJson(read.document, store.document())) store.edit(() => read, 'json');
    typed.current = { text: next, document: store.document() };
  };
  return (
    <div className="json-panel p-3">
      <JsonEditorPane label="Workflow document" text={text} isReadOnly={isReadOnly} onChange={change} />
    </div>
  );
}
