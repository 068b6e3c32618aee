import { cron } from './cron.ts';
import type { TriggerKind } from './kind.ts';
import { manual } from './manual.ts';

const KINDS = new Map<string, TriggerKind>([manual, cron].map((kind) => [kind.type, kind]));

/** Triggers the language knows and this version does not have yet: refused by name instead of "unknown". */
const LATER_KINDS = new Set(['trigger.webhook', 'trigger.connector']);

/** The trigger of that name, or undefined when none such can start a run. */
export function findTrigger(type: string): TriggerKind | undefined {
  return KINDS.get(type);
}

/** True for a trigger that will exist but cannot start runs yet. */
export function isLaterTrigger(type: string): boolean {
  return LATER_KINDS.has(type);
}
