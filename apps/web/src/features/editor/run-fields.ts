import type { Field } from './fields.ts';

const BASE = { isRequired: false, options: [], fields: [], takesNumber: false, takesOther: false } as const;

/** What a document says about its runs as a whole. */
export const RUN_FIELDS: Readonly<Record<'output' | 'constants' | 'timeoutMs', Field>> = {
  output: {
    ...BASE,
    key: 'output',
    label: 'What the run answers',
    hint: 'JSON with expressions. Left empty, it answers what its last steps gave.',
    control: 'value',
  },
  constants: {
    ...BASE,
    key: 'constants',
    label: 'Constants',
    hint: 'A JSON object that every expression reads as $constants.',
    control: 'value',
  },
  timeoutMs: {
    ...BASE,
    key: 'timeoutMs',
    label: 'Time limit of a run (ms)',
    hint: 'Waiting counts. Left empty, a run may take as long as it takes.',
    control: 'number',
  },
};
