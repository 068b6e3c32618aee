'use client';
import { useJsonEditor } from './use-json-editor.ts';

interface JsonEditorPaneProps {
  text: string;
  label: string;
  isReadOnly?: boolean;
  onChange: (text: string) => void;
}

export function JsonEditorPane({ text, label, isReadOnly = false, onChange }: JsonEditorPaneProps) {
  const parent = useJsonEditor({ text, label, isReadOnly, onChange });
  return (
    <div ref={parent} className="json-editor min-h-100 overflow-hidden rounded-xl border border-line bg-surface" />
  );
}
