/** More would make the page slow, and nobody reads it here. */
const LONGEST = 100_000;

export function printValue(value: unknown): { text: string; isCut: boolean } {
  const text = value === undefined ? 'null' : JSON.stringify(value, null, 2);
  return { text: text.slice(0, LONGEST), isCut: text.length > LONGEST };
}
