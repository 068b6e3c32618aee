const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * Milliseconds of an ISO 8601 duration of weeks, or of days, hours, minutes and seconds; null for anything else. Years
 * and months are no fixed time and not accepted; a day has 24 hours. Only seconds may have a fraction.
 */
export function parseDurationMs(text: string): number | null {
  const match =
    /^P(?:(\d{1,4})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9}(?:\.\d{1,3})?)S)?)?)$/.exec(text);
  const [, weeks, days, hours, minutes, seconds] = match ?? [];
  const given = [weeks, days, hours, minutes, seconds];
  if (given.every((part) => part === undefined) || text.endsWith('T')) {
    return null;
  }
  const units = [7 * DAY_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS];
  return Math.round(units.reduce((sum, unit, index) => sum + unit * Number(given[index] ?? 0), 0));
}

/** Epoch milliseconds of an ISO 8601 date and time with its zone; null for anything else, so that no zone is guessed. */
export function parseTimeMs(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) {
    return null;
  }
  // Date.parse carries a day that the month does not have over into the next one.
  const date = text.slice(0, 10);
  const isDate = new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(8));
  const time = Date.parse(text);
  return isDate && !Number.isNaN(time) ? time : null;
}
