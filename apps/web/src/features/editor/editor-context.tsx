'use client';
import { createContext, type ReactNode, useContext } from 'react';
import type { EditorTools } from './use-editor.ts';

const EditorContext = createContext<EditorTools | null>(null);

export function EditorProvider({ tools, children }: { tools: EditorTools; children: ReactNode }) {
  return <EditorContext value={tools}>{children}</EditorContext>;
}

/** The editor that this part belongs to. Throws outside of one. */
export function useEditorTools(): EditorTools {
  const tools = useContext(EditorContext);
  if (!tools) throw new Error('this part belongs below an EditorProvider');
  return tools;
}
