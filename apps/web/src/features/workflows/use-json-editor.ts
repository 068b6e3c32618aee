'use client';
import type { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';

interface JsonEditorProps {
  text: string;
  label: string;
  isReadOnly: boolean;
  onChange: (text: string) => void;
}

/** The editor is large, so it comes after the page. Text that is changed from outside replaces what it shows. */
export function useJsonEditor({ text, label, isReadOnly, onChange }: JsonEditorProps) {
  const parent = useRef<HTMLDivElement>(null);
  const editor = useRef<EditorView>(null);
  const latest = useRef({ text, onChange });
  latest.current = { text, onChange };
  useEffect(() => {
    let isGone = false;
    void import('./json-editor.ts').then(({ openJsonEditor }) => {
      if (isGone || !parent.current) return;
      const change = (changed: string) => latest.current.onChange(changed);
      editor.current = openJsonEditor({
        parent: parent.current,
        text: latest.current.text,
        label,
        isReadOnly,
        onChange: change,
      });
    });
    return () => {
      isGone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, [label, isReadOnly]);
  useEffect(() => {
    const view = editor.current;
    if (!view || view.state.doc.toString() === text) return;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
  }, [text]);
  return parent;
}
