import { createHash } from 'node:crypto';
import { isRecord, type Json } from '@millrace/workflow/json';

/** What fits into an index; a longer key is known by its hash. */
const MAX_LENGTH = 200;

/** How anything but plain text begins. Text that happens to begin like this is marked as text. */
const MARKS = ['json:', 'sha256:', 'text:'];

/**
 * The key of a value of `settings.concurrency.key`, as it is stored. Values that are equal as JSON are one key, whatever the
 * order of their members, and no others are: 5 is not "5".
 */
export function toConcurrencyKey(value: Json): string {
  const text = typeof value === 'string' ? markText(value) : `json:${JSON.stringify(sorted(value))}`;
  const isShort = text.length <= MAX_LENGTH && text !== '';
  return isShort ? text : `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function markText(text: string): string {
  return MARKS.some((mark) => text.startsWith(mark)) ? `text:${text}` : text;
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member as Json)]));
}
