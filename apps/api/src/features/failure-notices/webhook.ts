import { createHmac } from 'node:crypto';
import { ActionError, type HttpClient } from '@millrace/connectors/sdk';

const TIMEOUT_MS = 10_000;

export interface Webhook {
  url: string;
  /** `whsec_` and base64. */
  secret: string;
  /** The same for every try of one message, so that the receiver can tell a repetition. */
  id: string;
  body: string;
}

/**
 * Posts one message as Standard Webhooks 1.0 says (github.com/standard-webhooks/standard-webhooks): the signature covers
 * id, time and body. Answers why it was not accepted, or null: every status but 2xx counts as refused, redirects too.
 */
export async function postWebhook(http: HttpClient, webhook: Webhook, now: Date): Promise<string | null> {
  const { url, id, body } = webhook;
  const timestamp = String(Math.floor(now.getTime() / 1000));
  try {
    const { status } = await http({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${sign(webhook, timestamp)}`,
      },
      body,
      timeoutMs: TIMEOUT_MS,
      discardBody: true,
    });
    return status >= 200 && status < 300 ? null : `The webhook answered ${status}.`;
  } catch (error) {
    if (error instanceof ActionError) return error.message;
    throw error;
  }
}

function sign({ secret, id, body }: Webhook, timestamp: string): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
}
