import { z } from 'zod';
import { MAX_WAIT_MS } from '../definition.ts';
import type { StepKind } from './kind.ts';
import { waitResult } from './timeout.ts';

const Config = z.strictObject({
  by: z.union([z.enum(['member', 'admin', 'owner']), z.strictObject({ userIds: z.array(z.uuid()).min(1).max(100) })], {
    error:
      'An approval is given "by" a "member", an "admin", an "owner", or { "userIds": [...] }, which are ids of users.',
  }),
  note: z.string().max(10_000).optional(),
  timeoutMs: z.int().min(1).max(MAX_WAIT_MS).optional(),
});

/**
 * Waits until somebody approves or rejects; its output is `{ decision, decidedBy, note }`. Who may decide is part of
 * the published document, never of the data of a run.
 */
export const approval: StepKind = {
  type: 'approval',
  config: Config,
  literalKeys: ['by', 'timeoutMs'],
  branches: ['approved', 'rejected', 'timeout'],
  isOutput: true,
  timeoutOutput: { decision: 'timeout', decidedBy: null, note: null },
  wait: (input) => waitResult('approval', input),
};
