import { ActionError } from './sdk.ts';

/**
 * Header names in lower case, values trimmed.
 * @throws ActionError INPUT_INVALID for names and values that are not HTTP (line breaks would smuggle a second request) and
 * for headers that belong to the connection, which the client alone decides.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase();
    if (!TOKEN.test(name)) throw headerError(name, 'is not a valid header name');
    if (!FIELD_VALUE.test(value)) throw headerError(name, 'has a value with characters that HTTP headers cannot carry');
    if (CONNECTION_HEADERS.has(key) || key.startsWith('proxy-')) throw headerError(name, 'is set by the platform');
    if (checked.has(key)) throw headerError(name, 'is given twice');
    checked.set(key, value.trim());
  }
  return Object.fromEntries(checked);
}

/**
 * What may travel to another origin after a redirect. An allow list, since a custom header (`X-Api-Key`, `X-Auth-Token`)
 * can be a credential under any name.
 */
export function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => isHarmlessHeader(name)));
}

/** False for every header that may be a credential. */
export function isHarmlessHeader(name: string): boolean {
  return HARMLESS_HEADERS.has(name.toLowerCase());
}

/** For a redirect that turns the request into a GET. */
export function withoutContent(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')));
}

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
/** RFC 9110, section 5.5: visible ASCII, Latin-1 as opaque bytes, space and tab. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const CONNECTION_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const HARMLESS_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'idempotency-key',
  'user-agent',
]);

/** The name is shown cut and quoted, the value never: it may be a secret. */
function headerError(name: string, problem: string): ActionError {
  return new ActionError('INPUT_INVALID', `The header ${JSON.stringify(name.slice(0, 64))} ${problem}.`);
}
