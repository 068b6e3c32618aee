import { z } from 'zod';
import { defineContract, OrgParams } from './contract.ts';

const Retention = z
  .object({
    /** Runs that ended longer ago are removed, with their steps, timelines and values. */
    days: z.int(),
    /** The organization has not chosen: it is as long as the server keeps them. */
    isDefault: z.boolean(),
  })
  .meta({ id: 'RunRetention' });

const base = {
  tag: 'Organizations',
  auth: 'bearer',
  path: '/v1/orgs/:orgId/run-retention',
  params: OrgParams,
  status: 200,
  response: z.object({ retention: Retention }),
} as const;

export const getRunRetention = defineContract({
  ...base,
  id: 'getRunRetention',
  method: 'GET',
  summary: 'How long runs are kept that have ended',
  permission: 'org:read',
});

export const updateRunRetention = defineContract({
  ...base,
  id: 'updateRunRetention',
  method: 'PATCH',
  summary: 'Choose how many days runs are kept that have ended, or null for as long as the server keeps them',
  permission: 'org:update',
  body: z.strictObject({ days: z.int().min(1).max(3650).nullable() }),
});
