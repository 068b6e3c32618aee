import { AppError, type ErrorDetail } from '@millrace/shared/errors';
import { assertShape, findUnstorable } from '../../http/json-body.ts';

/** What a run sees of a request, as `$trigger.input`. */
export type HookInput = {
  method: string;
  /** By lower-case name, without those that carry credentials. */
  headers: Record<string, string | string[]>;
  /** A name that is given several times has a list. */
  query: Record<string, string | string[]>;
  /** JSON and forms parsed, other text as it is; null for none and for what is no text. */
  body: unknown;
  /** Base64, when the body is no text. */
  rawBody?: string;
};

export interface HookRequest {
  method: string;
  /** The path with its query. */
  url: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
  /** Throws for text that is no JSON, or reaches for a prototype. */
  parseJson: (text: string) => unknown;
}

/** Headers whose name says that their value is a secret, or a proof made from one. */
const CREDENTIAL = /authorization|cookie|signature|token|secret|password|credential|api-?key/;
const MAX_PAIRS = 10_000;

/**
 * A value that can be stored as it is. `signedBy` names one more header to leave out. Throws 400 for a body that is not
 * what its content type says, and for text that PostgreSQL cannot hold.
 */
export function readHookInput(request: HookRequest, signedBy: string): HookInput {
  const { method, url, headers } = request;
  const shown = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || CREDENTIAL.test(name) || name === signedBy ? [] : [[name, value] as const],
  );
  const input = {
    method,
    headers: Object.fromEntries(shown.filter(([name]) => name !== '__proto__')),
    query: toRecord(new URLSearchParams(url.split('?').slice(1).join('?')), 'query'),
    ...readBody(request),
  };
  const problem = findUnstorable(input);
  if (problem) throw badRequest(problem);
  return input;
}

function readBody({ headers, body, parseJson }: HookRequest): Pick<HookInput, 'body' | 'rawBody'> {
  if (body.length === 0) return { body: null };
  const text = decode(body);
  if (text === undefined) return { body: null, rawBody: body.toString('base64') };
  const media = String(headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim()
    .toLowerCase();
  if (media === 'application/x-www-form-urlencoded') return { body: toRecord(new URLSearchParams(text), 'body') };
  if (media !== 'application/json' && !media?.endsWith('+json')) return { body: text };
  if (text.trim() === '') return { body: null };
  assertShape(text);
  return { body: parseJson(text) };
}

/** Undefined for bytes that are no text PostgreSQL can hold. */
function decode(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\u0000') ? undefined : text;
  } catch {
    return undefined;
  }
}

function toRecord(pairs: URLSearchParams, path: string): Record<string, string | string[]> {
  if (pairs.size > MAX_PAIRS) {
    throw badRequest({ path, code: 'TOO_MANY_KEYS', message: `more than ${MAX_PAIRS} names` });
  }
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const list = values.get(name) ?? [];
    list.push(value);
    values.set(name, list);
  }
  values.delete('__proto__');
  return Object.fromEntries([...values].map(([name, list]) => [name, list.length > 1 ? list : (list[0] ?? '')]));
}

function badRequest(detail: ErrorDetail): AppError {
  return new AppError('BAD_REQUEST', undefined, { details: [detail] });
}
