import { ActionError } from './sdk.ts';

/** The largest output a step may have; larger data belongs into files. */
export const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * A deep copy that is JSON and nothing else, and that PostgreSQL's jsonb accepts: U+0000 and lone surrogates become U+FFFD.
 * @throws ActionError OUTPUT_TOO_LARGE, OUTPUT_INVALID (cycles, BigInt, nesting deeper than 200).
 */
export function toJsonOutput(value: unknown): unknown {
  const text = stringify(value);
  if (Buffer.byteLength(text) > MAX_OUTPUT_BYTES) {
    throw new ActionError('OUTPUT_TOO_LARGE', `The output is larger than ${MAX_OUTPUT_BYTES / 1024 / 1024} MiB.`);
  }
  if (depthOf(text) > MAX_DEPTH)
    throw new ActionError('OUTPUT_INVALID', `The output is nested deeper than ${MAX_DEPTH}.`);
  const copy: unknown = JSON.parse(text);
  return SUSPICIOUS_ESCAPE.test(text) ? withSafeText(copy) : copy;
}

/** Deep values break recursive readers further on: the expression child, jsonb and its indexes. */
const MAX_DEPTH = 200;
/** JSON.stringify escapes exactly these; text with a literal backslash before them matches too and costs a walk only. */
const SUSPICIOUS_ESCAPE = /\\u(0000|d[89a-f])/;

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    throw new ActionError('OUTPUT_INVALID', 'The output cannot be written as JSON.');
  }
}

/** Linear and without recursion: brackets outside strings. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < json.length; at += 1) {
    const char = json.charCodeAt(at);
    if (char === QUOTE) at = endOfString(json, at);
    else if (char === OPEN_BRACKET || char === OPEN_BRACE) deepest = Math.max(deepest, ++depth);
    else if (char === CLOSE_BRACKET || char === CLOSE_BRACE) depth -= 1;
  }
  return deepest;
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

function withSafeText(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD').toWellFormed();
  if (Array.isArray(value)) return value.map(withSafeText);
  if (typeof value !== 'object' || value === null) return value;
  // fromEntries defines own properties, so a key named __proto__ stays data.
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [String(withSafeText(key)), withSafeText(item)]),
  );
}
