import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';

/** Makes a value out of other values; its output is the evaluated `value`. */
export const transform: StepKind = {
  type: 'transform',
  config: z.strictObject({
    value: z.unknown().refine((value) => value !== undefined, { message: 'A value is required.' }),
  }),
  literalKeys: [],
  branches: [],
  isOutput: true,
  run: ({ config }) => ({ ok: true, output: isRecord(config) ? (config.value ?? null) : null }),
};
