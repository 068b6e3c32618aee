import { z } from 'zod';
import { MAX_WAIT_MS } from '../definition.ts';
import { WebhookMethods } from '../triggers/webhook.ts';
import type { StepKind } from './kind.ts';
import { waitResult } from './timeout.ts';

/** Waits for a call to an address of its own; its output is what was sent there, null after a time-out. */
export const waitWebhook: StepKind = {
  type: 'wait.webhook',
  config: z.strictObject({
    methods: WebhookMethods.optional(),
    timeoutMs: z.int().min(1).max(MAX_WAIT_MS).optional(),
  }),
  literalKeys: ['methods', 'timeoutMs'],
  isLiteral: true,
  branches: ['timeout'],
  isOutput: true,
  timeoutOutput: null,
  wait: (input) => waitResult('webhook', input),
};
