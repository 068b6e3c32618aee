import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { findAction } from '../catalog.ts';
import { parseEgressRules } from '../egress.ts';
import { type ActionResult, runAction } from '../run-action.ts';
import { createSafeFetch } from '../safe-fetch.ts';
import { openMemoryFiles, startHttpServer, type TestServer } from '../testing.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

type Seen = { url: string; headers: IncomingHttpHeaders; body: Buffer };

async function start(respond: (response: ServerResponse, request: IncomingMessage) => void) {
  const seen: Seen[] = [];
  const server = await startHttpServer(async (request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(await request.toArray()) });
    respond(response, request);
  });
  servers.push(server);
  const files = openMemoryFiles();
  const http = createSafeFetch({ allow: parseEgressRules(`127.0.0.1/32:${server.port}`), refuse: [] });
  const url = `http://127.0.0.1:${server.port}`;
  const call = (input: Record<string, unknown>): Promise<ActionResult> => {
    const action = findAction('http.request');
    if (action === undefined) throw new Error('the catalogue has no http.request');
    const request = { method: 'GET', url: `${url}/a/report%20%C3%BC.pdf?x=1`, ...input };
    return runAction(action, { input: request, http, files, idempotencyKey: 'run-1:step-1', timeoutMs: 20_000 });
  };
  return { call, seen, files, url };
}

const bodyOf = (result: ActionResult) => (result.ok ? (result.output as { body: unknown }).body : result.error);
const BYTES = randomBytes(12 * 1024 * 1024);

describe('an answer kept as a file', () => {
  test('is a value that tells its name, type and size, and may be larger than a body in memory', async () => {
    const { call, files } = await start((response) =>
      response.writeHead(200, { 'content-type': 'application/pdf' }).end(BYTES),
    );
    const result = await call({ responseType: 'file' });
    expect(bodyOf(result)).toEqual({
      $file: 'file-1',
      name: 'report ü.pdf',
      contentType: 'application/pdf',
      sizeBytes: BYTES.length,
    });
    expect(files.contents.get('file-1')?.equals(BYTES)).toBe(true);
  });

  test.each([
    ['gzip', gzipSync(BYTES)],
    ['br', brotliCompressSync(Buffer.alloc(3_000_000, 'x'))],
    ['deflate', deflateSync(BYTES)],
  ])('is decompressed on the way: %s', async (encoding, sent) => {
    const { call, files } = await start((response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(sent),
    );
    await call({ responseType: 'file' });
    const expected = encoding === 'br' ? Buffer.alloc(3_000_000, 'x') : BYTES;
    expect(files.contents.get('file-1')?.equals(expected)).toBe(true);
  });

  test.each([
    ['an encoding that is broken', 'gzip', Buffer.from('no gzip at all'), 'RESPONSE_INVALID'],
    ['an encoding that is cut off', 'gzip', gzipSync(BYTES).subarray(0, 100_000), 'RESPONSE_INVALID'],
    ['an encoding nobody asked for', 'zstd', Buffer.from('x'), 'RESPONSE_INVALID'],
  ])('fails by %s', async (_what, encoding, sent, code) => {
    const { call } = await start((response) => response.writeHead(200, { 'content-encoding': encoding }).end(sent));
    expect(bodyOf(await call({ responseType: 'file' }))).toMatchObject({ code, retryable: false });
  });

  test('fails as the network does when the connection breaks', async () => {
    const { call } = await start((response) => {
      response.writeHead(200, { 'content-length': '1000000' });
      response.write('x'.repeat(10_000), () => setTimeout(() => response.destroy(), 50));
    });
    expect(bodyOf(await call({ responseType: 'file' }))).toMatchObject({ code: 'NETWORK', retryable: true });
  });

  test('is none for an answer that says what went wrong, or has no body', async () => {
    const failing = await start((response) => response.writeHead(500).end('it broke'));
    expect(bodyOf(await failing.call({ responseType: 'file' }))).toMatchObject({
      code: 'HTTP_STATUS',
      message: expect.stringContaining('it broke'),
    });
    const silent = await start((response) => response.writeHead(204).end());
    expect(bodyOf(await silent.call({ responseType: 'file' }))).toBeNull();
    expect(failing.files.contents.size + silent.files.contents.size).toBe(0);
  });

  test.each([
    [`attachment; filename="plain.txt"`, 'plain.txt'],
    [`attachment; filename*=UTF-8''na%C3%AFve.txt`, 'naïve.txt'],
    [`attachment; filename="../../etc/passwd"`, 'passwd'],
    [`attachment; filename="C:\\\\temp\\\\a.txt"`, 'a.txt'],
    [`attachment; filename=".."`, 'file'],
    [`attachment; filename*=UTF-8''a%00%0D%0Ab%E2%80%AE.txt`, 'ab.txt'],
    [`attachment; filename="${'x'.repeat(400)}"`, 'x'.repeat(200)],
    ['not; a; disposition=', 'report ü.pdf'],
  ])('is named by %s: %s', async (disposition, name) => {
    const { call } = await start((response) =>
      response.writeHead(200, { 'content-disposition': disposition, 'content-type': 'not a type' }).end('x'),
    );
    const contentType = 'application/octet-stream';
    expect(bodyOf(await call({ responseType: 'file' }))).toMatchObject({ name, contentType });
  });
});

describe('a body that is a file', () => {
  const file = async (files: ReturnType<typeof openMemoryFiles>) =>
    files.write([BYTES] as unknown as AsyncIterable<Uint8Array>, { name: 'a.png', contentType: 'image/png' });

  test('is sent with its type and length, and again after a redirect that keeps the method', async () => {
    const { call, seen, files, url } = await start((response, request) =>
      request.url === '/first' ? response.writeHead(307, { location: '/then' }).end() : response.end(),
    );
    const body = await file(files);
    expect(await call({ method: 'PUT', url: `${url}/first`, body })).toMatchObject({ ok: true });
    expect(seen.map((one) => one.url)).toEqual(['/first', '/then']);
    for (const { headers, body: sent } of seen) {
      expect(headers).toMatchObject({ 'content-type': 'image/png', 'content-length': String(BYTES.length) });
      expect(headers['transfer-encoding']).toBeUndefined();
      expect(sent.equals(BYTES)).toBe(true);
    }
  });

  test('takes the type that the headers name', async () => {
    const { call, seen, files } = await start((response) => response.end());
    await call({ method: 'POST', body: await file(files), headers: { 'Content-Type': 'text/csv' } });
    expect(seen[0]?.headers['content-type']).toBe('text/csv');
  });

  test('fails before anything is sent when there is no such file', async () => {
    const { call, seen } = await start((response) => response.end());
    const result = await call({ method: 'POST', body: { $file: 'gone' } });
    expect(bodyOf(result)).toMatchObject({ code: 'FILE_NOT_FOUND', retryable: false });
    expect(seen).toEqual([]);
  });
});
