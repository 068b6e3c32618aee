import { z } from 'zod';
import { Email } from './auth.ts';
import { defineContract, OrgParams, Time } from './contract.ts';

const Channel = z.enum(['none', 'email', 'webhook']);

/** Names and passwords in the URL would end up in answers and logs; the signature is there to prove who calls. */
const WebhookUrl = z
  .string()
  .max(2000)
  .refine((value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  }, 'must be a http or https URL without a user name')
  .refine((value) => !value.endsWith('/***'), 'must be the whole URL, not the masked one of an answer');

const Settings = z
  .object({
    channel: Channel,
    /** Who is told: addresses that belong to no member any more, or are not confirmed, are left out. */
    emails: z.array(z.string()),
    /** Its origin alone, as in `https://hooks.example.com/***`: the rest often is a secret. Null if it cannot be read. */
    webhookUrl: z.string().nullable(),
    /** Null while they were never set. */
    updatedAt: Time.nullable(),
  })
  .meta({ id: 'FailureNoticeSettings' });

const path = '/v1/orgs/:orgId/failure-notices';
const base = { tag: 'Organizations', auth: 'bearer', params: OrgParams, status: 200 } as const;

export const getFailureNotices = defineContract({
  ...base,
  id: 'getFailureNotices',
  method: 'GET',
  path,
  summary: 'Who is told when runs fail',
  permission: 'notice:read',
  response: z.object({ settings: Settings }),
});

export const putFailureNotices = defineContract({
  ...base,
  id: 'putFailureNotices',
  method: 'PUT',
  path,
  summary:
    'Choose who is told when runs fail: nobody, confirmed addresses of members, or a webhook, whose signing secret is shown when it is chosen',
  permission: 'notice:write',
  body: z.discriminatedUnion('channel', [
    z.strictObject({ channel: z.literal('none') }),
    z.strictObject({ channel: z.literal('email'), emails: z.array(Email).min(1).max(10) }),
    z.strictObject({ channel: z.literal('webhook'), url: WebhookUrl }),
  ]),
  /** `secret` stands there when the channel becomes `webhook`, and never again. */
  response: z.object({ settings: Settings, secret: z.string().optional() }),
});

export const rotateFailureNoticeSecret = defineContract({
  ...base,
  id: 'rotateFailureNoticeSecret',
  method: 'POST',
  path: `${path}/secret`,
  summary: 'Replace the secret that signs the webhook and show the new one; the one before it stops being used',
  permission: 'notice:write',
  response: z.object({ secret: z.string() }),
  errors: ['CONFLICT'],
});

export const testFailureNotice = defineContract({
  ...base,
  id: 'testFailureNotice',
  method: 'POST',
  path: `${path}/test`,
  summary: 'Send a test notice now and hear how it went',
  permission: 'notice:write',
  /** `error` says why it did not arrive, or at which addresses it did not. */
  response: z.object({ sent: z.boolean(), channel: Channel, error: z.string().nullable() }),
  errors: ['CONFLICT', 'RATE_LIMITED'],
});
