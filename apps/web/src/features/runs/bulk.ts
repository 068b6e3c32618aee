import type { BulkResult } from '@millrace/shared/contracts/bulk-runs';
import type { RunFilter, RunStatus } from '@millrace/shared/contracts/runs';

export type BulkKind = 'cancel' | 'retry';

const CANCELLABLE = ['queued', 'running', 'waiting'] as const;
const RETRYABLE = ['failed', 'cancelled'] as const;

/** What can be done to all runs of a filter: those it leaves out could not be meant. */
export function kindsFor(status: RunStatus | undefined): BulkKind[] {
  if (status === undefined) return ['cancel', 'retry'];
  if (CANCELLABLE.some((one) => one === status)) return ['cancel'];
  return RETRYABLE.some((one) => one === status) ? ['retry'] : [];
}

/** The filter of a list as a call for all its runs takes it. */
export const cancelFilter = ({ status, ...rest }: RunFilter) => ({
  ...rest,
  status: CANCELLABLE.find((one) => one === status),
});
export const retryFilter = ({ status, ...rest }: RunFilter) => ({
  ...rest,
  status: RETRYABLE.find((one) => one === status),
});

/** So far a count goes; there may be more. */
const MOST_COUNTED = 10_000;

/** "1 run", "10,000 runs or more". */
export function sayCount(matched: number, locale?: string): string {
  const number = new Intl.NumberFormat(locale).format(matched);
  if (matched >= MOST_COUNTED) return `${number} runs or more`;
  return matched === 1 ? '1 run' : `${number} runs`;
}

export interface BulkTotal {
  done: number;
  skipped: { message: string; count: number }[];
}

/** What several calls did together. */
export function addResult(total: BulkTotal, { done, skipped }: Pick<BulkResult, 'done' | 'skipped'>): BulkTotal {
  const counts = new Map(total.skipped.map(({ message, count }) => [message, count]));
  for (const { message, count } of skipped) counts.set(message, (counts.get(message) ?? 0) + count);
  return { done: total.done + done, skipped: [...counts].map(([message, count]) => ({ message, count })) };
}
