'use client';
import { testStep } from '@millrace/shared/contracts/steps';
import type { Json } from '@millrace/workflow/json';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { useEditorTools } from './editor-context.tsx';
import { stepsBefore } from './samples.ts';

/** A try of one step with the samples at hand. What it gave is a sample for the steps after it. */
export function useStepTest(id: string) {
  const { workflow, store, samples, pins } = useEditorTools();
  const { organization } = useOrganization();
  const [input, setInput] = useState(() => (samples.input === undefined ? '' : JSON.stringify(samples.input, null, 2)));
  const [problem, setProblem] = useState<string>();
  const change = (text: string) => {
    setInput(text);
    const parsed = parseInput(text);
    setProblem(parsed.ok ? undefined : parsed.message);
    if (parsed.ok) samples.setInput(parsed.value);
  };
  const test = useAction({
    run: () => {
      const document = store.document();
      const before = stepsBefore(document, id).filter((step) => Object.hasOwn(samples.outputs, step));
      const steps = Object.fromEntries(before.map((step) => [step, samples.outputs[step]]));
      const params = { orgId: organization.id, workflowId: workflow.id };
      const sample = { input: samples.input, steps };
      return callApi(testStep, { params, body: { dsl: { ...document }, stepId: id, sample } });
    },
    done: (answer) => {
      if (answer.error === null) samples.keepTest(id, answer.output);
      setResult(answer);
      return undefined;
    },
  });
  const [result, setResult] = useState<Awaited<ReturnType<typeof callApi<typeof testStep>>>>();
  const pinned = Object.hasOwn(pins.outputs, id) ? pins.outputs[id] : undefined;
  return { input, setInput: change, problem, test, result, pinned, pin: pins.pin, unpin: pins.unpin };
}

function parseInput(text: string): { ok: true; value: Json | undefined } | { ok: false; message: string } {
  if (text.trim() === '') return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch {
    return { ok: false, message: 'This is not JSON.' };
  }
}
