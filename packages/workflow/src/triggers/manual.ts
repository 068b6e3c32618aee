import { z } from 'zod';
import type { TriggerKind } from './kind.ts';

/** Starts a run by hand or through the API. */
export const manual = {
  schema: z.strictObject({ type: z.literal('trigger.manual'), config: z.strictObject({}).optional() }),
} satisfies TriggerKind;
