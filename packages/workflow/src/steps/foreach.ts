import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';
import { Concurrency, LOOP_KEYS, MAX_ITERATIONS } from './loop-config.ts';

const Config = z.strictObject({
  items: z.unknown().refine((value) => value !== undefined, { message: 'A list of items is required.' }),
  ...LOOP_KEYS,
  concurrency: Concurrency.optional(),
});

/** Runs its body once for each item; its output is the list of their values, in the order of the items. */
export const foreach: StepKind = {
  type: 'foreach',
  config: Config,
  literalKeys: ['concurrency', 'as', 'onItemError'],
  branches: [],
  isOutput: true,
  loop: (config) => {
    const items = isRecord(config) ? (config.items ?? []) : [];
    if (!Array.isArray(items)) {
      return refuse('ITEMS_NO_LIST', 'The items of a foreach must be a list.');
    }
    return items.length <= MAX_ITERATIONS
      ? { ok: true, total: items.length }
      : refuse('ITEMS_TOO_MANY', `A foreach takes at most ${MAX_ITERATIONS} items.`);
  },
};

function refuse(
  code: string,
  message: string,
): { ok: false; error: { code: string; message: string; retryable: false } } {
  return { ok: false, error: { code, message, retryable: false } };
}
