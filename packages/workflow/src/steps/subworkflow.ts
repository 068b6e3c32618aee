import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';

const Config = z.strictObject({
  workflowId: z.uuid(),
  version: z.union([z.int().min(1), z.literal('latest')]).optional(),
  input: z.unknown().optional(),
  wait: z.boolean().optional(),
});

/** Starts a run of another workflow and, unless `wait` is false, waits for it; its output is that run's output. */
export const subworkflow: StepKind = {
  type: 'subworkflow',
  config: Config,
  literalKeys: ['workflowId', 'version', 'wait'],
  branches: [],
  isOutput: true,
  actsFirst: true,
  wait: ({ config }) => {
    const waits = !isRecord(config) || config.wait !== false;
    return waits ? { ok: true, for: 'subworkflow', dueAt: null } : { ok: true, for: null };
  },
};
