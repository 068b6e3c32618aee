'use client';
import { useEffect, useId, useRef, useState } from 'react';
import type { CodeEditor } from './code-editor.ts';
import { completionsAt } from './completions.ts';
import type { FieldControlProps } from './field-props.ts';
import { parseField, printField } from './field-value.ts';
import { sampleOf } from './samples.ts';

/** A code editor in `parent`. `failure`: why what is typed is not in the document yet. */
export function useCodeField(props: FieldControlProps) {
  const { field, value, isReadOnly, isFocused } = props;
  const parent = useRef<HTMLDivElement>(null);
  const editor = useRef<CodeEditor>(null);
  const noteId = useId();
  const latest = useRef(props);
  latest.current = props;
  /** What was typed last and what it says, so that printing the same value otherwise does not replace it. */
  const typed = useRef<{ text: string; value: unknown } | null>(null);
  const [failure, setFailure] = useState<string>();
  const { label, control } = field;
  useEffect(() => {
    let isGone = false;
    const change = (text: string) => {
      const parsed = parseField(latest.current.field, text);
      typed.current = { text, value: parsed.ok ? parsed.value : latest.current.value };
      setFailure(parsed.ok ? undefined : parsed.message);
      if (parsed.ok) latest.current.onChange(parsed.value);
    };
    const complete = (text: string, position: number) => {
      const { bindings } = latest.current;
      return bindings && completionsAt(text, position, sampleOf(bindings), control === 'expression');
    };
    void import('./code-editor.ts').then(({ openCodeEditor }) => {
      if (isGone || !parent.current) return;
      const text = printField(latest.current.field, latest.current.value);
      const settings = { parent: parent.current, text, label, noteId, isReadOnly };
      editor.current = openCodeEditor({ ...settings, isJson: control === 'value', change, complete });
      if (latest.current.isFocused) editor.current.focus();
    });
    return () => {
      isGone = true;
      editor.current?.close();
      editor.current = null;
    };
  }, [label, control, noteId, isReadOnly]);
  useEffect(() => {
    if (typed.current && typed.current.value === value) return;
    typed.current = null;
    setFailure(undefined);
    editor.current?.replace(printField(latest.current.field, value));
  }, [value]);
  useEffect(() => {
    if (isFocused) editor.current?.focus();
  }, [isFocused]);
  return { parent, noteId, failure };
}
