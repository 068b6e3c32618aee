import { z } from 'zod';
import { cron } from './cron.ts';
import { manual } from './manual.ts';
import { webhook } from './webhook.ts';

/** What starts a run: one of the kinds, told apart by `type`. */
export const Trigger = z.discriminatedUnion('type', [manual.schema, cron.schema, webhook.schema]);
