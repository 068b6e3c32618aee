import { z } from 'zod';
import { defineContract, NextCursor, OrgParams } from './contract.ts';
import { RunFilter } from './runs.ts';

/** What one call takes on at most; `nextCursor` goes on where it stopped. */
export const MAX_BULK_RUNS = 1_000;

const Bulk = z.strictObject({
  /** How many runs this call looks at, newest first. */
  limit: z.int().min(1).max(MAX_BULK_RUNS).optional(),
  /** The `nextCursor` of the call before. */
  cursor: z.string().min(1).max(400).optional(),
  /** True changes nothing and counts, up to 10,000. */
  dryRun: z.boolean().optional(),
});

export const BulkResult = z
  .object({
    /** How many runs of the filter this call looked at: `done` and what is skipped. Of a dry run, how many there are. */
    matched: z.int(),
    done: z.int(),
    /** Runs that were left as they are, counted by reason: what the single call would have answered. */
    skipped: z.array(z.object({ code: z.string(), message: z.string(), count: z.int() })),
    /** Set while there may be more: send it with the same filter. Runs made since the first call are never among them. */
    nextCursor: NextCursor,
  })
  .meta({ id: 'BulkResult' });
export type BulkResult = z.infer<typeof BulkResult>;

const base = { tag: 'Runs', auth: 'bearer', method: 'POST', permission: 'run:start', params: OrgParams } as const;

export const cancelRuns = defineContract({
  ...base,
  id: 'cancelRuns',
  path: '/v1/orgs/:orgId/runs/cancel',
  summary: 'Cancel every run of a filter that has not ended, in bounded portions; works without the queue',
  body: Bulk.extend({
    filter: RunFilter.extend({ status: z.enum(['queued', 'running', 'waiting']).optional() }),
  }),
  status: 200,
  response: BulkResult,
});

export const retryRuns = defineContract({
  ...base,
  id: 'retryRuns',
  path: '/v1/orgs/:orgId/runs/retry',
  summary:
    'Retry every failed or cancelled run of a filter that was not retried yet, in bounded portions; a run is retried once however often this is sent',
  body: Bulk.extend({
    filter: RunFilter.extend({ status: z.enum(['failed', 'cancelled']).optional() }),
    /** As for a single retry: true starts over on the latest published version. */
    latest: z.boolean().optional(),
  }),
  status: 200,
  response: BulkResult,
  errors: ['QUEUE_UNAVAILABLE'],
  isIdempotent: true,
});
