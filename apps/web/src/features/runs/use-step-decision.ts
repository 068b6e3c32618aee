'use client';
import { useState } from 'react';
import { readInput } from '../workflows/read-input.ts';
import { type Decision, type RunAddress, useRunActions } from './use-run.ts';

/** The answers to what a step asks; the value of a skipped step is typed as JSON. */
export function useStepDecision(address: RunAddress, stepId: string) {
  const { decide } = useRunActions(address);
  const [isSkipping, setSkipping] = useState(false);
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string>();
  const skip = () => {
    const parsed = readInput(text);
    setProblem(parsed.ok ? undefined : parsed.message);
    if (!parsed.ok) return;
    setSkipping(false);
    decide.start({ stepId, decision: 'skip', value: parsed.value ?? null });
  };
  return {
    decide: (decision: Exclude<Decision['decision'], 'skip'>) => decide.start({ stepId, decision }),
    isBusy: decide.isBusy,
    isSkipping,
    setSkipping,
    text,
    setText: (typed: string) => {
      setText(typed);
      setProblem(undefined);
    },
    problem,
    skip,
  };
}
