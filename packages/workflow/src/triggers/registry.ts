import { z } from 'zod';
import { cron } from './cron.ts';
import { manual } from './manual.ts';

/** What starts a run: one of the kinds, told apart by `type`. */
export const Trigger = z.discriminatedUnion('type', [manual.schema, cron.schema]);

/** Kinds the language knows and this version does not run yet: refused by name instead of "unknown". */
const LATER_KINDS = new Set(['trigger.webhook', 'trigger.connector']);

/** True for a kind that will exist but cannot start a run yet. */
export function isLaterTrigger(type: string): boolean {
  return LATER_KINDS.has(type);
}
