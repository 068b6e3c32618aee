import { z } from 'zod';
import { InputSchema } from './input-schema.ts';
import type { TriggerKind } from './kind.ts';

/** Starts a run by hand or through the API. With an `inputSchema` an input that does not fit starts none. */
export const manual = {
  schema: z.strictObject({
    type: z.literal('trigger.manual'),
    config: z.strictObject({ inputSchema: InputSchema.optional() }).optional(),
  }),
} satisfies TriggerKind;
