import type { z } from 'zod';

/** One kind of trigger. A new kind is one file that exports one of these, listed in the registry. */
export type TriggerKind = {
  readonly type: string;
  /** Shape of `config`; an absent `config` is judged as `{}`. */
  readonly config: z.ZodType;
};
