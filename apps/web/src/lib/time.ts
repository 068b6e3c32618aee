const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** "3 hours ago" or "in 2 days", in the reader's language; "now" below a minute. */
export function sayRelative(time: string, nowMs: number, locale?: string): string {
  const seconds = (Date.parse(time) - nowMs) / 1_000;
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return unit === 'second' ? format.format(0, 'second') : format.format(Math.round(seconds / size), unit);
}

export function sayTime(time: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(time));
}

export function sayDate(time: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(time));
}

/** "350 ms", "2.4 s", "3 min 5 s": how long something took. */
export function sayDuration(ms: number, locale?: string): string {
  const number = (value: number, digits = 0) =>
    new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
  if (ms < 1_000) return `${number(ms)} ms`;
  if (ms < 60_000) return `${number(ms / 1_000, 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${number(minutes)} min ${number(Math.floor((ms % 60_000) / 1_000))} s`;
  return `${number(Math.floor(minutes / 60))} h ${number(minutes % 60)} min`;
}

/** "in 12 s" down to the second, and "any moment now" once it is due: how long something still waits. */
export function sayCountdown(time: string, nowMs: number, locale?: string): string {
  const leftMs = Date.parse(time) - nowMs;
  return leftMs <= 0 ? 'any moment now' : `in ${sayDuration(Math.ceil(leftMs / 1_000) * 1_000, locale)}`;
}
