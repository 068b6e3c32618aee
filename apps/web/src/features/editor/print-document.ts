import { isRecord } from '@millrace/workflow/json';

/** What a person looks for first comes first; all other keys by their names. */
const ORDER = [
  ...['version', 'trigger', 'id', 'type', 'name', 'from', 'to', 'branch', 'config', 'constants', 'nodes', 'edges'],
  ...['output', 'settings', 'onError', 'retry', 'timeoutMs', 'idempotency'],
];

/** A document as text. The database keeps no order of keys, so that two texts could differ where two documents do not. */
export function printDocument(document: unknown): string {
  return JSON.stringify(inOrder(document), null, 2);
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isRecord(value)) return value;
  const keys = Object.keys(value).toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, inOrder(value[key])]));
}

function rank(key: string): number {
  const index = ORDER.indexOf(key);
  return index === -1 ? ORDER.length : index;
}
