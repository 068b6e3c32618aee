import type { LookupFunction } from 'node:net';
import { isIPv6 } from 'node:net';
import { Readable } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import { openDeadline, untilAborted } from './deadline.ts';
import {
  type EgressPolicy,
  type EgressRule,
  type HostPort,
  type Resolve,
  resolveAllowed,
  resolveWithSystem,
} from './egress.ts';
import { toActionError } from './network-errors.ts';
import { checkHeaders, withoutContent, withoutCredentials } from './request-headers.ts';
import { ACCEPT_ENCODING, MAX_RESPONSE_BYTES, readBody, streamBody, tooLarge } from './response-body.ts';
import {
  ActionError,
  type HttpClient,
  type HttpMethod,
  type HttpRequest,
  type HttpResponse,
  type StreamedBody,
} from './sdk.ts';

export type SafeFetchOptions = {
  /** Private ranges that may be reached all the same. */
  allow: readonly EgressRule[];
  /** The platform's own API, PostgreSQL and Redis: refused even inside an allowed range. */
  refuse: readonly HostPort[];
  resolve?: Resolve;
  /** Default 5. */
  maxRedirects?: number;
};

/**
 * The HTTP client of every action. It connects only to addresses that were checked after the one name resolution of each
 * hop, so neither a redirect nor a name that changes its address leads inside; proxies of the environment are ignored.
 * Limits: 10 s to connect, 30 s in all unless the request says otherwise, `maxRedirects`, 10 MiB of decompressed body
 * unless the request receives it itself.
 * Throws ActionError: INVALID_URL, INPUT_INVALID (headers), EGRESS_REFUSED, NETWORK, TIMEOUT, ABORTED, TLS_CERTIFICATE,
 * TOO_MANY_REDIRECTS, RESPONSE_TOO_LARGE, RESPONSE_INVALID.
 */
export function createSafeFetch(options: SafeFetchOptions): HttpClient {
  const policy: EgressPolicy = {
    allow: options.allow,
    refuse: options.refuse,
    resolve: options.resolve ?? resolveWithSystem,
  };
  return async (request) => {
    const first = firstHop(request);
    const deadline = openDeadline(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, request.signal);
    try {
      return await followRedirects(first, policy, options.maxRedirects ?? MAX_REDIRECTS, deadline.signal);
    } finally {
      deadline.close();
    }
  };
}

const DEFAULT_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 5;
const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);

type Hop = {
  method: HttpMethod;
  url: URL;
  headers: Record<string, string>;
  body: string | Uint8Array | StreamedBody | null;
  discardBody: boolean;
  receive: HttpRequest['receive'];
  maySend: () => boolean;
  isOfOtherRequest: boolean;
};
type HopAnswer = { response: HttpResponse } | { location: string; status: number };

function firstHop(request: HttpRequest): Hop {
  const defaults = { accept: '*/*', 'accept-encoding': ACCEPT_ENCODING, 'user-agent': 'millrace' };
  return {
    method: request.method,
    url: checkedUrl(request.url),
    headers: { ...defaults, ...checkHeaders(request.headers ?? {}) },
    body: request.body ?? null,
    discardBody: request.discardBody ?? false,
    receive: request.receive,
    maySend: request.maySend ?? (() => true),
    isOfOtherRequest: false,
  };
}

/** Never quotes the URL: path, query and user information may hold secrets. */
function checkedUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null) throw new ActionError('INVALID_URL', 'The URL is not valid; write it like https://host/path.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ActionError('INVALID_URL', `Only http and https URLs can be called, not ${url.protocol.slice(0, 32)}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new ActionError(
      'INVALID_URL',
      'A user name or password in the URL is not accepted; use an Authorization header.',
    );
  }
  return url;
}

async function followRedirects(
  first: Hop,
  policy: EgressPolicy,
  maxRedirects: number,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let hop = first;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const answer = await send(hop, policy, signal);
    if ('response' in answer) return { ...answer.response, ...(hop.isOfOtherRequest && { isOfOtherRequest: true }) };
    hop = nextHop(hop, answer.status, checkedUrl(answer.location, hop.url));
  }
  const limit =
    maxRedirects === 0 ? 'Redirects are not followed here' : `At most ${maxRedirects} redirects are followed`;
  throw new ActionError('TOO_MANY_REDIRECTS', `${limit}, and ${first.url.host} answered with one more.`);
}

/** The method rules of the Fetch standard, section 4.4 (HTTP-redirect fetch). */
function nextHop(hop: Hop, status: number, url: URL): Hop {
  const headers = url.origin === hop.url.origin ? hop.headers : withoutCredentials(hop.headers);
  const wasPost = hop.method === 'POST' && (status === 301 || status === 302);
  const seeOther = status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD';
  if (!wasPost && !seeOther) return { ...hop, url, headers };
  return { ...hop, method: 'GET', url, headers: withoutContent(headers), body: null, isOfOtherRequest: true };
}

/**
 * One exchange on a connection of its own. Connections are not kept: a pooled one would have been checked for another call,
 * and a peer that closes it just then would fail a request that was never sent.
 */
async function send(hop: Hop, policy: EgressPolicy, signal: AbortSignal): Promise<HopAnswer> {
  try {
    const addresses = await untilAborted(resolveAllowed(hop.url, policy), signal);
    const client = new Client(hop.url.origin, {
      allowH2: false,
      bodyTimeout: 0,
      headersTimeout: 0,
      connect: { lookup: lookupPinned(addresses), timeout: CONNECT_TIMEOUT_MS },
    });
    // Before the request is written: a process that was frozen until now may have lost the right to send it.
    client.once('connect', () => {
      if (!hop.maySend()) void client.destroy(notSent());
    });
    try {
      return await exchange(client, hop, signal);
    } finally {
      await client.destroy();
    }
  } catch (error) {
    throw toActionError(signal.aborted ? signal.reason : error, hop.url.host);
  }
}

function notSent(): ActionError {
  return new ActionError('ABORTED', 'The step was stopped before it sent anything.');
}

/** Answers every question with the addresses that were checked. Literals never ask; `resolveAllowed` has checked those. */
function lookupPinned(addresses: readonly string[]): LookupFunction {
  const entries = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_hostname, options, callback) => {
    const [first] = entries;
    if (options.all || first === undefined) return callback(null, entries);
    return callback(null, first.address, first.family);
  };
}

async function exchange(client: Client, hop: Hop, signal: AbortSignal): Promise<HopAnswer> {
  const { statusCode, headers, body } = await client.request({
    path: `${hop.url.pathname}${hop.url.search}`,
    method: hop.method,
    ...contentOf(hop),
    signal,
  });
  // The connection is destroyed when a body is left unread; without a listener that would be an uncaught error.
  body.on('error', () => {});
  const location = headers.location;
  if (REDIRECT_STATUSES.has(statusCode) && typeof location === 'string') return { location, status: statusCode };
  const answer = { status: statusCode, headers: plainHeaders(headers) };
  if (hop.discardBody) return { response: { ...answer, body: new Uint8Array() } };
  const isHead = hop.method === 'HEAD';
  const encoding = String(headers['content-encoding'] ?? '');
  if (hop.receive && !isHead && mayHaveContent(statusCode)) {
    await untilAborted(hop.receive(answer, streamBody(body, encoding)), signal);
    return { response: { ...answer, body: new Uint8Array() } };
  }
  if (!isHead && Number(headers['content-length']) > MAX_RESPONSE_BYTES) throw tooLarge();
  return { response: { ...answer, body: await untilAborted(readBody(body, encoding), signal) } };
}

/** A length that is said keeps the other side from taking half a body for a whole one. */
function contentOf({ headers, body }: Hop) {
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return { headers, body };
  return { headers: { ...headers, 'content-length': String(body.sizeBytes) }, body: Readable.from(body.open()) };
}

/** RFC 9110, sections 15.3.5 and 15.3.6. */
function mayHaveContent(status: number): boolean {
  return status >= 200 && status < 300 && status !== 204 && status !== 205;
}

function plainHeaders(headers: Dispatcher.ResponseData['headers']): HttpResponse['headers'] {
  const entries = Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] => {
    if (value === undefined) return [];
    const values = Array.isArray(value) ? value : [value];
    return [[name, name === 'set-cookie' ? values : values.join(', ')]];
  });
  return Object.fromEntries(entries);
}
