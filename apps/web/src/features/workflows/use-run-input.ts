'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { useState } from 'react';
import { readInput } from './read-input.ts';
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
