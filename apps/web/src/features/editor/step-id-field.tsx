'use client';
import { renameNode } from '@millrace/workflow/edit';
import { useState } from 'react';
import { TextField } from '../../ui/field.tsx';
import { useEditorTools } from './editor-context.tsx';

/** The name of a step in expressions. Changed when the field is left, because every expression that reads it changes too. */
export function StepIdField({ id, isReadOnly }: { id: string; isReadOnly: boolean }) {
  const { store, session } = useEditorTools();
  const [text, setText] = useState(id);
  const [problem, setProblem] = useState<string>();
  const commit = () => {
    const wished = text.trim();
    if (wished === id) return setProblem(undefined);
    const refusal = store.edit((document) => renameNode(document, id, wished));
    setProblem(refusal ?? undefined);
    if (refusal === null) store.session({ type: 'show', place: session.place, nodes: [wished] });
  };
  return (
    <TextField
      label="Id"
      hint={`Expressions read it as $steps.${id}.output`}
      problem={problem}
      readOnly={isReadOnly}
      spellCheck={false}
      autoComplete="off"
      className="h-9 font-mono text-[0.8125rem]"
      value={text}
      onChange={({ target }) => setText(target.value)}
      onBlur={commit}
      onKeyDown={({ key }) => (key === 'Enter' ? commit() : undefined)}
    />
  );
}
