import type { z } from 'zod';

/** One kind of trigger. A new kind is one file that exports one of these, listed in the registry. */
export type TriggerKind = {
  /** Shape of the whole trigger: its literal `type` and its `config`, which holds no expressions. */
  readonly schema: z.ZodObject<{ type: z.ZodLiteral<`trigger.${string}`>; config: z.ZodType }>;
};
