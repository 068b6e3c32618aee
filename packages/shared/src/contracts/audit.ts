import { z } from 'zod';
import { Id } from '../ids.ts';
import { defineContract, NextCursor, OrgParams, PageQuery, Time } from './contract.ts';

const AuditEntry = z
  .object({
    /** Counts from 1 without a gap within the organization. */
    seq: z.int(),
    occurredAt: Time,
    /** Null for what the system did by itself. */
    actorUserId: Id.nullable(),
    /** Null when the user does not exist any more. */
    actorEmail: z.string().nullable(),
    /** The API key that acted for the user, if one did. */
    actorApiKeyId: Id.nullable(),
    action: z.string(),
    subjectType: z.string(),
    subjectId: z.string().nullable(),
    ipAddress: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: Id.nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });

export const listAuditEntries = defineContract({
  id: 'listAuditEntries',
  method: 'GET',
  path: '/v1/orgs/:orgId/audit',
  summary: 'Who changed what, when and from where, newest first',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'audit:read',
  params: OrgParams,
  query: PageQuery.extend({
    /** `noun.verb`, as in `member.remove`. */
    action: z.string().min(1).max(100).optional(),
    actorUserId: Id.optional(),
    /** At or after. */
    from: Time.optional(),
    /** Before. */
    to: Time.optional(),
  }),
  status: 200,
  response: z.object({ entries: z.array(AuditEntry), nextCursor: NextCursor }),
});
