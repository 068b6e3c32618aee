/** What may stand in the queue: each job name with the shape of its payload. Redis is outside, so consumers parse. */
import { Traceparent } from '@millrace/shared/tracing';
import { z } from 'zod';

const RunExecute = z.strictObject({ orgId: z.uuid(), runId: z.uuid(), traceparent: Traceparent.optional() });

/**
 * A wake-up: look at this run now. It carries no state; the rows in PostgreSQL decide whether there is work. `traceparent`
 * names the trace of whoever asked for it.
 */
export type RunWake = z.infer<typeof RunExecute>;

export const RUN_EXECUTE = 'run.execute';

const PAYLOADS = { [RUN_EXECUTE]: RunExecute } as const;

export type ParsedJob = { type: 'run.execute'; payload: RunWake } | { type: 'bad'; reason: string };

/**
 * Turns whatever stood in the queue into a typed job. Never throws: a wrong name or payload is `bad` with a reason that
 * names paths and kinds of problems but repeats no value, so that it may be logged.
 */
export function parseJob(name: string, data: unknown): ParsedJob {
  if (!isJobName(name)) return { type: 'bad', reason: 'unknown job name' };
  const parsed = PAYLOADS[name].safeParse(data);
  if (parsed.success) return { type: name, payload: parsed.data };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'payload'}: ${issue.code}`);
  return { type: 'bad', reason: problems.join(', ') };
}

function isJobName(name: string): name is keyof typeof PAYLOADS {
  return Object.hasOwn(PAYLOADS, name);
}
