import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { findAction } from '../catalog.ts';
import { parseEgressRules, type Resolve } from '../egress.ts';
import { type ActionFailure, runAction } from '../run-action.ts';
import { createSafeFetch } from '../safe-fetch.ts';
import { type Action, defineAction, RetryableError } from '../sdk.ts';
import { countConnections, openMemoryFiles, startHttpServer, type TestServer } from '../testing.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const ANY_PORT = parseEgressRules('127.0.0.1/32');
const httpRequest = findAction('http.request') as Action;

interface Call {
  url: string;
  input?: Record<string, unknown>;
  action?: Action;
  timeoutMs?: number;
  resolve?: Resolve;
}

/** What a POST fails with. */
async function failureOf({
  url,
  input,
  action = httpRequest,
  timeoutMs = 5000,
  resolve,
}: Call): Promise<ActionFailure> {
  const http = createSafeFetch({ allow: ANY_PORT, refuse: [], ...(resolve && { resolve }) });
  const given = { method: 'POST', url, body: { n: 1 }, ...input };
  const call = { http, files: openMemoryFiles(), idempotencyKey: 'run:step', timeoutMs };
  const result = await runAction(action, { ...call, input: given });
  if (result.ok) throw new Error(`expected a failure, got ${JSON.stringify(result.output)}`);
  return result.error;
}

/** A server that has read the whole request before it does anything. */
async function serve(listener: RequestListener): Promise<string> {
  const server = await startHttpServer(async (request, response) => {
    await request.toArray();
    listener(request, response);
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

async function serveTcp(onSocket: (socket: Socket) => void): Promise<string> {
  const server = await countConnections(createServer(onSocket), '127.0.0.1', 0);
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const redirectTo = (status: number, location: string) =>
  serve((_, response) => response.writeHead(status, { location }).end());

describe('a request that was received may have happened', () => {
  test.each([301, 302, 303, 307, 308])('a %d leads to a closed port', async (status) => {
    const url = await redirectTo(status, `http://127.0.0.1:${await closedPort()}/`);
    expect(await failureOf({ url })).toMatchObject({ code: 'NETWORK', retryable: true, mayHaveHappened: true });
  });

  test.each([
    ['EGRESS_REFUSED', 'http://169.254.169.254/'],
    ['INVALID_URL', 'ftp://127.0.0.1/'],
    ['TOO_MANY_REDIRECTS', '/'],
  ])('a redirect ends as %s', async (code, location) => {
    const url = await redirectTo(303, location);
    expect(await failureOf({ url })).toMatchObject({ code, retryable: false, mayHaveHappened: true });
  });

  test('a redirect leads to a name that does not exist', async () => {
    const url = await redirectTo(303, 'http://gone.invalid/');
    expect(await failureOf({ url })).toMatchObject({ code: 'NETWORK', mayHaveHappened: true });
  });

  test('a redirect leads to a server that does not speak TLS', async () => {
    const other = await serve((_, response) => response.end());
    const url = await redirectTo(303, other.replace('http:', 'https:'));
    expect(await failureOf({ url })).toMatchObject({ code: 'NETWORK', mayHaveHappened: true });
  });

  test.each([
    [301, true],
    [302, true],
    [303, true],
    [307, undefined],
    [308, undefined],
  ])('behind a %d an error status is no answer to a request that became a GET', async (status, mayHaveHappened) => {
    const other = await serve((_, response) => response.writeHead(503).end());
    const url = await redirectTo(status, other);
    const failure = await failureOf({ url });
    expect(failure).toMatchObject({ code: 'HTTP_STATUS', retryable: true });
    expect(failure.mayHaveHappened).toBe(mayHaveHappened);
  });

  test('the connection is reset after the body was read', async () => {
    const url = await serve((request) => request.socket.resetAndDestroy());
    expect(await failureOf({ url })).toMatchObject({ code: 'NETWORK', retryable: true, mayHaveHappened: true });
  });

  test('the answer does not come in time, or not all of it', async () => {
    const silent = await serve(() => {});
    const trickling = await serve((_, response) => void response.writeHead(200).write('x'));
    for (const url of [silent, trickling])
      expect(await failureOf({ url, timeoutMs: 200 })).toMatchObject({ code: 'TIMEOUT', mayHaveHappened: true });
  });

  const json = { 'content-type': 'application/json' };
  test.each<[string, Record<string, string>, string | Buffer, Record<string, unknown>]>([
    ['RESPONSE_TOO_LARGE', { 'content-length': '99999999' }, '', {}],
    ['RESPONSE_TOO_LARGE', {}, 'x'.repeat(11 * 1024 * 1024), {}],
    ['RESPONSE_TOO_LARGE', { 'x-long': 'x'.repeat(100_000) }, '', {}],
    ['RESPONSE_INVALID', { 'content-encoding': 'gzip' }, 'no gzip', {}],
    ['RESPONSE_INVALID', { 'content-encoding': 'gzip' }, gzipSync('file').subarray(0, 10), { responseType: 'file' }],
    ['RESPONSE_INVALID', json, '<html>', {}],
    ['OUTPUT_INVALID', json, '['.repeat(1000) + ']'.repeat(1000), {}],
  ])('the answer cannot be taken: %s', async (code, headers, body, input) => {
    const url = await serve((_, response) => response.writeHead(200, headers).end(body));
    expect(await failureOf({ url, input })).toMatchObject({ code, retryable: false, mayHaveHappened: true });
  });

  test('the answer breaks off', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('x', () => request.socket.destroy());
    });
    for (const responseType of ['text', 'file'])
      expect(await failureOf({ url, input: { responseType } })).toMatchObject({
        code: 'NETWORK',
        mayHaveHappened: true,
      });
  });

  test('the answer is no HTTP', async () => {
    const url = await serveTcp((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.9\r\n')));
    expect(await failureOf({ url })).toMatchObject({ retryable: false, mayHaveHappened: true });
  });

  test('the action itself has a bug', async () => {
    const url = await serve((_, response) => response.end());
    const action = defineAction({
      ...httpRequest,
      run: async ({ http }) => {
        await http({ method: 'POST', url });
        throw new TypeError('a bug');
      },
    });
    expect(await failureOf({ url, action })).toMatchObject({ code: 'ACTION_FAILED', mayHaveHappened: true });
  });
});

describe('nothing has happened', () => {
  const never = async (call: Call, code: string) => {
    const failure = await failureOf(call);
    expect(failure.code).toBe(code);
    expect(failure).not.toHaveProperty('mayHaveHappened');
  };

  test('the connection is refused', async () => {
    await never({ url: `http://127.0.0.1:${await closedPort()}/` }, 'NETWORK');
  });

  test('the name does not exist', () => never({ url: 'http://gone.invalid/' }, 'NETWORK'));

  test('the name is not resolved in time', () =>
    never({ url: 'http://slow.test/', timeoutMs: 100, resolve: () => new Promise(() => {}) }, 'TIMEOUT'));

  test('the address is refused', () => never({ url: 'http://169.254.169.254/' }, 'EGRESS_REFUSED'));

  test('the TLS handshake fails, or does not end in time', async () => {
    const plain = await serveTcp((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n')));
    await never({ url: plain.replace('http:', 'https:') }, 'NETWORK');
    const silent = await serveTcp(() => {});
    await never({ url: silent.replace('http:', 'https:'), timeoutMs: 200 }, 'TIMEOUT');
  });

  test('the file to send is not there', () =>
    never({ url: 'http://127.0.0.1/', input: { body: { $file: 'gone' } } }, 'FILE_NOT_FOUND'));

  test.each([400, 408, 425, 429, 500, 503])('%d is an answer', async (status) => {
    await never({ url: await serve((_, response) => response.writeHead(status).end()) }, 'HTTP_STATUS');
  });

  test('an action says that the other side asked to come again', async () => {
    const url = await serve((_, response) => response.end());
    const action = defineAction({
      ...httpRequest,
      run: async ({ http }) => {
        await http({ method: 'POST', url });
        throw new RetryableError('Busy.');
      },
    });
    await never({ url, action }, 'RETRYABLE');
  });
});
