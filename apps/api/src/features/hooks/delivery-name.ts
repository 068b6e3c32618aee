import { createHash } from 'node:crypto';
import type { WebhookSignature } from '@millrace/workflow/triggers/webhook';

type Headers = Readonly<Record<string, string | string[] | undefined>>;
type Scheme = WebhookSignature['scheme'] | undefined;

/**
 * The SHA-256 of what the sender calls this delivery, the same each time it is sent; null when it names none. Where a scheme
 * signs the name, only that one counts: a replay must not get another name by a header that nobody signed. Where it signs a
 * time and no name, the signature itself is one.
 */
export function hashDeliveryName(scheme: Scheme, headers: Headers, body: unknown): Buffer | null {
  const name = NAMES[scheme ?? 'basic'](headers, body);
  return name === undefined ? null : createHash('sha256').update(name).digest();
}

const NAMES: Record<WebhookSignature['scheme'], (headers: Headers, body: unknown) => string | undefined> = {
  'standard-webhooks': (headers) => named('webhook-id', headers['webhook-id']),
  stripe: (headers, body) =>
    named('stripe', fieldOf(body, 'id')) ?? named('stripe-signature', headers['stripe-signature']),
  slack: (headers, body) =>
    named('slack', fieldOf(body, 'event_id')) ?? named('x-slack-signature', headers['x-slack-signature']),
  github: (headers) => named('x-github-delivery', headers['x-github-delivery']),
  hmac: nameOfAny,
  basic: nameOfAny,
};

/** Where nothing is signed, or the body alone. */
function nameOfAny(headers: Headers, body: unknown): string | undefined {
  const isStripe = headers['stripe-signature'] !== undefined;
  return (
    named('webhook-id', headers['webhook-id']) ??
    named('x-github-delivery', headers['x-github-delivery']) ??
    (isStripe ? named('stripe', fieldOf(body, 'id')) : undefined) ??
    named('idempotency-key', headers['idempotency-key'])
  );
}

function named(kind: string, value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? `${kind}:${value}` : undefined;
}

function fieldOf(body: unknown, name: string): unknown {
  const isRecord = typeof body === 'object' && body !== null && Object.hasOwn(body, name);
  return isRecord ? (body as Record<string, unknown>)[name] : undefined;
}
