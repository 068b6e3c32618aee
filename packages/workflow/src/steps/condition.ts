import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';
import { Condition, isTruthy } from './truth.ts';

/** Takes the branch `true` or `false`; its output is that boolean. No value counts as false. */
export const condition: StepKind = {
  type: 'condition',
  config: z.strictObject({ if: Condition }),
  literalKeys: [],
  branches: ['true', 'false'],
  isOutput: false,
  run: ({ config }) => {
    const holds = isRecord(config) && isTruthy(config.if);
    return { ok: true, output: holds, branch: String(holds) };
  },
};
