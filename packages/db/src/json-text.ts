/** Thrown for a value that PostgreSQL's jsonb cannot hold: a NUL character or half a surrogate pair in a string or key. */
export class UnstorableJsonError extends Error {
  override readonly name = 'UnstorableJsonError';
}

/**
 * The JSON text of a value for a jsonb parameter. `undefined` answers null, which is SQL null; `null` answers 'null',
 * which is JSON null. Throws UnstorableJsonError; checked here because PostgreSQL would fail the whole statement.
 */
export function toJsonText(value: unknown): string | null {
  if (value === undefined) return null;
  const text = JSON.stringify(value);
  if (text === undefined) throw new UnstorableJsonError('the value has no JSON form');
  if (UNSTORABLE.test(text)) throw new UnstorableJsonError('text holds a NUL character or half a surrogate pair');
  return text;
}

/**
 * JSON.stringify writes NUL as \u0000 and, being well-formed, surrogates as \uD800..\uDFFF only where they lack their
 * other half. The even number of backslashes before tells such an escape from the same letters after a literal one.
 */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/;
