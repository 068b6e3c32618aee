'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { useMemo, useState } from 'react';
import { type FieldTexts, fieldsOf, readFields, textsOf } from './input-fields.ts';
import { readInput } from './read-input.ts';
import { sampleInput } from './sample-input.ts';
import { useWorkflowActions } from './use-workflow.ts';

/** Where a problem with the JSON as a whole stands among those of fields. */
const WHOLE = '';

/**
 * The input of a run: in a field for each property that the published trigger asks for, or as JSON text, where empty is no
 * input. Either is turned into the other.
 */
export function useRunInput(workflow: Workflow) {
  const fields = useMemo(() => fieldsOf(workflow.publishedDsl), [workflow.publishedDsl]);
  const [isForm, setIsForm] = useState(fields !== null);
  const [text, setText] = useState(() => sampleInput(workflow.publishedDsl));
  const [texts, setTexts] = useState<FieldTexts>(() =>
    Object.fromEntries((fields ?? []).map(({ name, initial }) => [name, initial])),
  );
  const [problems, setProblems] = useState<Record<string, string>>({});
  const { run } = useWorkflowActions(workflow.id);

  function start() {
    const input = isForm && fields ? readFields(fields, texts) : readText(text);
    setProblems(input.ok ? {} : input.problems);
    if (input.ok) run.start(input.value);
  }
  /** From a form that is not filled in yet to what the text said before; a text that the form cannot hold stays one. */
  function turn() {
    if (!fields) return;
    const input = isForm ? readFields(fields, texts) : readText(text);
    if (isForm) {
      if (input.ok) setText(JSON.stringify(input.value, null, 2));
      setProblems({});
      return setIsForm(false);
    }
    if (!input.ok) return setProblems(input.problems);
    const turned = textsOf(fields, input.value);
    if (turned === null) return setProblems({ [WHOLE]: 'The form has no place for all of this.' });
    setProblems({});
    setTexts(turned);
    setIsForm(true);
  }
  const setField = (name: string, value: string) => setTexts((before) => ({ ...before, [name]: value }));
  return {
    ...{ fields, isForm, texts, setField, text, setText, problems, start, turn },
    problem: problems[WHOLE],
    isBusy: run.isBusy,
  };
}

function readText(text: string) {
  const input = readInput(text);
  return input.ok ? input : { ok: false as const, problems: { [WHOLE]: input.message } };
}
