import { z } from 'zod';
import type { TriggerKind } from './kind.ts';

/** Starts a run by hand or through the API. */
export const manual: TriggerKind = { type: 'trigger.manual', config: z.strictObject({}) };
