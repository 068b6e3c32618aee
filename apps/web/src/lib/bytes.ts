const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];

/** "820 byte", "1.3 MB": a size, in the reader's language. */
export function sayBytes(bytes: number, locale?: string): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const format = { style: 'unit', unit: UNITS[power], maximumFractionDigits: power === 0 ? 0 : 1 } as const;
  return new Intl.NumberFormat(locale, format).format(bytes / 1000 ** power);
}
