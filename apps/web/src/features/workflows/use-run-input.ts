'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { useState } from 'react';
import { sampleInput } from './sample-input.ts';
import { useWorkflowActions } from './use-workflow.ts';

/** The input of a run as JSON text, begun from what the published trigger asks for. Empty text is no input. */
export function useRunInput(workflow: Workflow) {
  const [text, setText] = useState(() => sampleInput(workflow.publishedDsl));
  const [problem, setProblem] = useState<string>();
  const { run } = useWorkflowActions(workflow.id);
  const start = () => {
    const input = readInput(text);
    setProblem(input.ok ? undefined : input.message);
    if (input.ok) run.start(input.value);
  };
  return { text, setText, problem, start, isBusy: run.isBusy };
}

function readInput(text: string): { ok: true; value: unknown } | { ok: false; message: string } {
  if (text.trim() === '') return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, message: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
