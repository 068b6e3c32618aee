import { z } from 'zod';
import type { TriggerKind } from './kind.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** The methods an address takes; `POST` alone where nothing is said. */
export const WebhookMethods = z
  .array(z.enum(METHODS))
  .min(1)
  .max(METHODS.length)
  .refine((methods) => new Set(methods).size === methods.length, { message: 'Name each method once.' });
/** How old or how far ahead a signed time may be, in seconds; 300 unless said otherwise. */
const toleranceSec = z.int().min(1).max(86_400).optional();
/** RFC 9110, section 5.6.2. */
const HeaderName = z
  .string()
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9a-z-]+$/i, { message: 'This is not the name of a header.' });

/** How a sender proves itself. The secret never stands in a document: it is set beside it and kept sealed. */
const Signature = z.discriminatedUnion('scheme', [
  z.strictObject({ scheme: z.literal('standard-webhooks'), toleranceSec }),
  z.strictObject({ scheme: z.literal('stripe'), toleranceSec }),
  z.strictObject({ scheme: z.literal('slack'), toleranceSec }),
  z.strictObject({ scheme: z.literal('github') }),
  z.strictObject({ scheme: z.literal('hmac'), header: HeaderName.optional() }),
  z.strictObject({ scheme: z.literal('basic') }),
]);

const Config = z.strictObject({
  methods: WebhookMethods.optional(),
  /** Whether the sender hears at once that the request is stored, or waits for what the run answers. */
  reply: z.enum(['accepted', 'result']).optional(),
  signature: Signature.optional(),
});

/** Starts a run for each request to the workflow's own address. */
export const webhook = {
  schema: z.strictObject({ type: z.literal('trigger.webhook'), config: Config.optional() }),
} satisfies TriggerKind;

export type WebhookTrigger = z.infer<typeof webhook.schema>;
export type WebhookMethod = (typeof METHODS)[number];
export type WebhookSignature = z.infer<typeof Signature>;
