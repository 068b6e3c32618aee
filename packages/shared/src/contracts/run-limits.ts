import { z } from 'zod';
import { defineContract, OrgParams } from './contract.ts';

export const getRunLimits = defineContract({
  id: 'getRunLimits',
  method: 'GET',
  path: '/v1/orgs/:orgId/run-limits',
  summary: 'How many runs the organization may have, and how many it has now',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'run:read',
  params: OrgParams,
  status: 200,
  response: z.object({
    limits: z
      .object({
        /** Null: as many as the workers can run. */
        maxConcurrentRuns: z.int().nullable(),
        maxQueuedRuns: z.int(),
        /** Its share where organizations wait for the same workers, beside 1 for any other. */
        weight: z.int(),
      })
      .meta({ id: 'RunLimits' }),
    running: z.int(),
    /** Those that wait to begin, the held ones among them. */
    queued: z.int(),
    /** Those that wait for their turn behind others of the organization, or for a place of their workflow. */
    held: z.int(),
  }),
});
