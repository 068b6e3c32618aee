import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { findAction } from '../catalog.ts';
import { parseEgressRules } from '../egress.ts';
import { type ActionResult, runAction } from '../run-action.ts';
import { createSafeFetch } from '../safe-fetch.ts';
import { openMemoryFiles, startHttpServer, type TestServer } from '../testing.ts';

type Seen = { method: string; url: string; headers: IncomingHttpHeaders; body: string };

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server that records what it gets; `call` runs http.request against it. */
async function start(respond: (response: ServerResponse) => void = (response) => response.end()) {
  const seen: Seen[] = [];
  const server = await startHttpServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
    respond(response);
  });
  servers.push(server);
  const http = createSafeFetch({ allow: parseEgressRules(`127.0.0.1/32:${server.port}`), refuse: [] });
  const files = openMemoryFiles();
  const url = `http://127.0.0.1:${server.port}`;
  const call = (input: Record<string, unknown>, timeoutMs = 5000): Promise<ActionResult> => {
    const action = findAction('http.request');
    if (action === undefined) throw new Error('the catalogue has no http.request');
    return runAction(action, {
      input: { method: 'GET', url, ...input },
      http,
      files,
      idempotencyKey: 'run-1:step-1',
      timeoutMs,
    });
  };
  return { call, seen, server, url, files };
}

const answer = (status: number, headers: Record<string, string>, body: string | Buffer) => (response: ServerResponse) =>
  void response.writeHead(status, headers).end(body);

describe('http.request sends', () => {
  test('the idempotency key of the step', async () => {
    const { call, seen } = await start();
    expect(await call({ method: 'POST' })).toMatchObject({ ok: true });
    expect(seen[0]?.headers['idempotency-key']).toBe('run-1:step-1');
  });

  test('the idempotency key of the user when there is one, in any spelling', async () => {
    const { call, seen } = await start();
    await call({ headers: { 'IDEMPOTENCY-Key': 'mine' } });
    expect(seen[0]?.headers['idempotency-key']).toBe('mine');
  });

  test.each([
    [{ a: [1, 'é', null] }, '{"a":[1,"é",null]}', 'application/json'],
    [[1, 2], '[1,2]', 'application/json'],
    [0, '0', 'application/json'],
    [false, 'false', 'application/json'],
    ['a=1&b', 'a=1&b', 'text/plain; charset=utf-8'],
    ['', '', 'text/plain; charset=utf-8'],
  ])('the body %j', async (body, sent, contentType) => {
    const { call, seen } = await start();
    await call({ method: 'POST', body });
    expect(seen[0]).toMatchObject({ method: 'POST', body: sent });
    expect(seen[0]?.headers['content-type']).toBe(contentType);
  });

  test('the content type of the user', async () => {
    const { call, seen } = await start();
    await call({ method: 'POST', body: { a: 1 }, headers: { 'Content-Type': 'application/vnd.api+json' } });
    expect(seen[0]?.headers['content-type']).toBe('application/vnd.api+json');
  });

  test('the query added to the one of the address, escaped', async () => {
    const { call, seen, url } = await start();
    await call({ url: `${url}/p?a=1`, query: { 'b c': '&=é', n: 2, yes: true, list: ['x', 3] } });
    expect(seen[0]?.url).toBe('/p?a=1&b+c=%26%3D%C3%A9&n=2&yes=true&list=x&list=3');
  });

  test('header values that are numbers or truth values as text', async () => {
    const { call, seen } = await start();
    await call({ headers: { 'x-count': 3, 'x-on': true } });
    expect(seen[0]?.headers).toMatchObject({ 'x-count': '3', 'x-on': 'true' });
  });

  test.each(['GET', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'])('the method %s', async (method) => {
    const { call, seen } = await start();
    await call({ method });
    expect(seen[0]?.method).toBe(method);
  });
});

describe('http.request gives', () => {
  const json = { 'content-type': 'application/json; charset=utf-8' };
  test.each<[string, Record<string, string>, string | Buffer, string | undefined, unknown]>([
    ['JSON', json, '{"a":[1]}', undefined, { a: [1] }],
    ['JSON of a vendor type', { 'content-type': 'application/problem+json' }, '1', undefined, 1],
    ['JSON with a byte order mark', json, '\uFEFF{"a":1}', undefined, { a: 1 }],
    ['JSON as text when told so', json, '{"a":1}', 'text', '{"a":1}'],
    ['text as JSON when told so', { 'content-type': 'text/plain' }, '{"a":1}', 'json', { a: 1 }],
    ['text', { 'content-type': 'text/plain' }, '{"a":1}', undefined, '{"a":1}'],
    ['text without a type', {}, 'hi', undefined, 'hi'],
    ['text of a type that only looks like JSON', { 'content-type': 'application/jsonp' }, '1', undefined, '1'],
    ['Latin-1', { 'content-type': 'text/plain; charset=ISO-8859-1' }, Buffer.from([0xe9]), undefined, 'é'],
    ['an unknown charset as UTF-8', { 'content-type': 'text/plain; charset=klingon' }, 'é', undefined, 'é'],
    ['no body as null', json, '', undefined, null],
  ])('%s', async (_what, headers, body, responseType, expected) => {
    const { call } = await start(answer(200, headers, body));
    const result = await call(responseType === undefined ? {} : { responseType });
    expect(result).toMatchObject({ ok: true, output: { status: 200, body: expected } });
  });

  test('status and headers', async () => {
    const { call } = await start(answer(201, { 'X-Made': 'yes', 'set-cookie': 'a=1' }, ''));
    const result = await call({ method: 'POST' });
    expect(result).toMatchObject({
      ok: true,
      output: { status: 201, headers: { 'x-made': 'yes', 'set-cookie': ['a=1'] }, body: null },
    });
  });
});

describe('http.request fails', () => {
  test('with HTTP_STATUS and the pause asked for when the server is busy', async () => {
    const { call } = await start(answer(503, { 'retry-after': '2' }, 'come back'));
    expect(await call({})).toEqual({
      ok: false,
      error: {
        code: 'HTTP_STATUS',
        message: 'The server answered 503: come back',
        retryable: true,
        retryAfterMs: 2000,
      },
    });
  });

  test('with HTTP_STATUS for good when the request is wrong', async () => {
    const { call } = await start(answer(404, {}, ''));
    expect(await call({})).toMatchObject({ ok: false, error: { code: 'HTTP_STATUS', retryable: false } });
  });

  test('with RESPONSE_INVALID when what should be JSON is not', async () => {
    const { call } = await start(answer(200, { 'content-type': 'application/json' }, '<html>'));
    expect(await call({})).toMatchObject({ ok: false, error: { code: 'RESPONSE_INVALID', retryable: false } });
  });

  test('with OUTPUT_INVALID for an answer nested without end', async () => {
    const { call } = await start(
      answer(200, { 'content-type': 'application/json' }, '['.repeat(1e6) + ']'.repeat(1e6)),
    );
    expect(await call({})).toMatchObject({ ok: false, error: { code: 'OUTPUT_INVALID' } });
  });

  test('with TIMEOUT at the limit of the step', async () => {
    const { call, server } = await start(() => {});
    expect(await call({}, 100)).toMatchObject({ ok: false, error: { code: 'TIMEOUT', retryable: true } });
    expect(server.connections()).toBe(1);
  });

  test('with EGRESS_REFUSED for an address inside', async () => {
    const { call } = await start();
    const result = await call({ url: 'http://169.254.169.254/latest/meta-data/' });
    expect(result).toMatchObject({ ok: false, error: { code: 'EGRESS_REFUSED', retryable: false } });
  });

  test.each<[string, Record<string, unknown>]>([
    ['no method', { method: undefined }],
    ['an unknown method', { method: 'TRACE' }],
    ['CONNECT', { method: 'CONNECT' }],
    ['no url', { url: undefined }],
    ['an empty url', { url: '' }],
    ['a url that is no text', { url: 5 }],
    ['a null body', { method: 'POST', body: null }],
    ['a null query value', { query: { a: null } }],
    ['a null header', { headers: { a: null } }],
    ['an unknown key', { proxy: 'http://127.0.0.1' }],
    ['a header of the connection', { headers: { Host: 'inside' } }],
    ['a line break in a header', { headers: { 'x-a': '1\r\nx-b: 2' } }],
    ['an unknown response type', { responseType: 'binary' }],
  ])('with INPUT_INVALID before any call: %s', async (_what, input) => {
    const { call, server } = await start();
    expect(await call(input)).toMatchObject({ ok: false, error: { code: 'INPUT_INVALID', retryable: false } });
    expect(server.connections()).toBe(0);
  });
});
