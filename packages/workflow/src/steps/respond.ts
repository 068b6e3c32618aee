import { z } from 'zod';
import { isRecord, type Json, setOwn } from '../json.ts';
import type { PureStepResult, StepKind } from './kind.ts';

/**
 * The headers an answer may have. It leaves under the platform's own address, so none that sets a cookie, sends a browser
 * elsewhere, opens the answer to other sites, or speaks to a proxy in between.
 */
export const ANSWER_HEADERS: readonly string[] = [
  ...['content-type', 'content-language', 'content-disposition'],
  ...['cache-control', 'etag', 'last-modified', 'retry-after'],
];

const NOT_ALLOWED = `An answer may have the headers ${ANSWER_HEADERS.join(', ')}.`;

const Headers = z.record(z.string(), z.string()).superRefine((headers, context) => {
  for (const name of Object.keys(headers)) {
    if (ANSWER_HEADERS.includes(name.toLowerCase())) continue;
    context.addIssue({ code: 'custom', path: [name], message: NOT_ALLOWED, params: { code: 'HEADER_NOT_ALLOWED' } });
  }
});

const Config = z.strictObject({
  status: z.int().min(200).max(599).optional(),
  headers: Headers.optional(),
  body: z.unknown().optional(),
});

/** Visible characters, blanks and tabs, RFC 9110 section 5.5: a line break would begin another header. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]{0,2000}$/;

/** Says what whoever started the run is answered; its output is that answer. The host delivers the first one. */
export const respond: StepKind = {
  type: 'respond',
  config: Config,
  literalKeys: ['status'],
  branches: [],
  isOutput: false,
  run: ({ config }) => {
    const { status, headers, body } = isRecord(config) ? config : {};
    const sent = readHeaders(headers);
    if (sent === null) return refuse();
    return { ok: true, output: { status: status ?? 200, headers: sent, body: body ?? null } };
  },
};

/** By lower-case name; null when a value cannot be one. */
function readHeaders(headers: Json | undefined): Record<string, Json> | null {
  const read: Record<string, Json> = {};
  for (const [name, value] of Object.entries(isRecord(headers) ? headers : {})) {
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
    if (typeof text !== 'string' || !HEADER_VALUE.test(text)) return null;
    setOwn(read, name.toLowerCase(), text);
  }
  return read;
}

function refuse(): PureStepResult {
  const message = 'The value of a header is one line of text.';
  return { ok: false, error: { code: 'HEADER_INVALID', message, retryable: false } };
}
