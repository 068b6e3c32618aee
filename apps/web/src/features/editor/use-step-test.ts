'use client';
import { testStep } from '@millrace/shared/contracts/steps';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { useEditorTools } from './editor-context.tsx';
import { loopsAround, stepsBefore } from './samples.ts';
import { useStep } from './use-step.ts';

/** A try of one step with the samples at hand. What it gave is a sample for the steps after it. */
export function useStepTest(id: string) {
  const { workflow, store, document, samples, pins } = useEditorTools();
  const locals = useStep(id)?.bindings.locals ?? {};
  const { organization } = useOrganization();
  const loops = (loopsAround(document, id) ?? []).map((loop) => ({ ...loop, item: locals[loop.as] }));
  const test = useAction({
    run: () => {
      const dsl = store.document();
      const before = stepsBefore(dsl, id).filter((step) => Object.hasOwn(samples.outputs, step));
      const steps = Object.fromEntries(before.map((step) => [step, samples.outputs[step]]));
      const params = { orgId: organization.id, workflowId: workflow.id };
      const items = Object.fromEntries(
        loops.flatMap((loop) => (loop.item === undefined ? [] : [[loop.id, loop.item]])),
      );
      const sample = { input: samples.input, steps, items };
      return callApi(testStep, { params, body: { dsl: { ...dsl }, stepId: id, sample } });
    },
    done: (answer) => {
      if (answer.error === null) samples.keepTest(id, answer.output);
      setResult(answer);
      return undefined;
    },
  });
  const [result, setResult] = useState<Awaited<ReturnType<typeof callApi<typeof testStep>>>>();
  const pinned = Object.hasOwn(pins.outputs, id) ? pins.outputs[id] : undefined;
  return { samples, loops, test, result, pinned, pin: pins.pin, unpin: pins.unpin };
}
