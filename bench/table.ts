/** The median of the rounds, with the lowest and the highest behind it. */
export function spread(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `${show(median(values))} (${show(sorted[0])} to ${show(sorted.at(-1))})`;
}

/** The middle value; of an even number of values, the upper one of the two in the middle. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** The smallest value that `share` of all values do not exceed. */
export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? 0;
}

/** Rows of cells in columns as wide as their widest cell; the first row is the heading. */
export function printTable(rows: string[][]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

export function show(value = 0): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
