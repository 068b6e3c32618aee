import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';
import { LOOP_KEYS, MAX_ITERATIONS } from './loop-config.ts';
import { Condition } from './truth.ts';

const Config = z.strictObject({
  until: Condition,
  maxTimes: z.int().min(1).max(MAX_ITERATIONS),
  ...LOOP_KEYS,
});

/**
 * Runs its body again and again, until its condition holds after a turn, at most `maxTimes`; its output is the list of
 * the values of all turns. The item of a turn is the value of the turn before, and no value in the first.
 */
export const repeat: StepKind = {
  type: 'repeat',
  config: Config,
  literalKeys: ['maxTimes', 'as', 'onItemError'],
  branches: [],
  isOutput: true,
  loop: (config) => {
    const times = isRecord(config) ? config.maxTimes : undefined;
    return { ok: true, total: typeof times === 'number' ? times : 1 };
  },
};
