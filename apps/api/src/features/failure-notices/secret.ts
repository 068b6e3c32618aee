import { createHmac } from 'node:crypto';

const PURPOSE = 'millrace failure notice webhook secret v1';

/**
 * The signing secret of an organization's webhook as Standard Webhooks writes it: `whsec_` and 32 bytes as base64. Made
 * from the server's key, so no table holds it; `generation` rises when it is replaced.
 */
export function webhookSecret(key: string, { orgId, generation }: { orgId: string; generation: number }): string {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  return `whsec_${createHmac('sha256', key).update(PURPOSE).update(orgId).update(number).digest('base64')}`;
}
