const HOUR_MS = 3_600_000;
const LENGTHS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS, all: null } as const;

export type Period = keyof typeof LENGTHS;
export const PERIODS: Record<Period, string> = {
  all: 'Any time',
  hour: 'Last hour',
  day: 'Last 24 hours',
  week: 'Last 7 days',
};

/** When a period began, to the minute: lists that are read again go on from the same time. */
export function startOf(period: Period, nowMs: number): string | undefined {
  const length = LENGTHS[period];
  if (length === null) return undefined;
  return new Date(Math.floor((nowMs - length) / 60_000) * 60_000).toISOString();
}
