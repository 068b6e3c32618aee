import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCompressed, takesBrotli } from '../../apps/web/src/server/compressed.ts';
import { precompress } from './precompress.ts';

const SCRIPT = 'console.log("of a build");\n'.repeat(100);
const dir = mkdtempSync(join(tmpdir(), 'millrace-static-'));
const staticDir = join(dir, 'static');
let server: Server;

beforeAll(async () => {
  mkdirSync(join(staticDir, 'chunks'), { recursive: true });
  writeFileSync(join(staticDir, 'chunks', 'a.js'), SCRIPT);
  writeFileSync(join(staticDir, 'chunks', 'tiny.js'), '1');
  writeFileSync(join(staticDir, 'font.woff2'), SCRIPT);
  writeFileSync(join(dir, 'secret.js.br'), 'not of the static files');
  expect(await precompress(staticDir)).toBe(1);
  const serve = openCompressed(staticDir);
  server = createServer((request, response) => {
    if (!serve(request, response)) response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

it('a script is answered as the build compressed it, to be kept for good, to whoever takes brotli', async () => {
  const answer = await ask('/_next/static/chunks/a.js?dpl=1', 'gzip, deflate, br, zstd');
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-encoding': 'br',
    'content-type': 'application/javascript; charset=UTF-8',
    'content-length': String(answer.body.length),
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'Accept-Encoding',
  });
  expect(brotliDecompressSync(answer.body).toString()).toBe(SCRIPT);
});

it('everything else is left to the framework, and no path leads out of the static files', async () => {
  const plain = await ask('/_next/static/chunks/a.js', 'gzip');
  expect(plain).toMatchObject({ status: 404, headers: { vary: 'Accept-Encoding' } });
  const paths = ['/', '/_next/static/chunks/tiny.js', '/_next/static/font.woff2', '/_next/static/chunks/none.js'];
  const escapes = ['/_next/static/../secret.js', '/_next/static/%2e%2e/secret.js', '/_next/static/chunks/a.js.br'];
  for (const path of [...paths, ...escapes]) expect((await ask(path, 'br')).status, path).toBe(404);
  expect((await ask('/_next/static/chunks/a.js', 'br', 'POST')).status).toBe(404);
  expect(await ask('/_next/static/chunks/a.js', 'br', 'HEAD')).toMatchObject({ status: 200, body: Buffer.alloc(0) });
});

it('brotli is taken where it is named and not refused', () => {
  for (const accepted of ['br', 'gzip, br', 'gzip;q=0.5, BR;q=0.8', 'br; q=1'])
    expect(takesBrotli(accepted)).toBe(true);
  for (const accepted of [undefined, '', 'gzip', 'brotli', 'br;q=0', 'gzip, br; q=0.000'])
    expect(takesBrotli(accepted), accepted).toBe(false);
});

/** By `node:http`, which neither decompresses answers nor tidies paths. */
async function ask(path: string, accepted: string, method = 'GET') {
  const { port } = server.address() as AddressInfo;
  const request = send({ port, path, method, headers: { 'accept-encoding': accepted } });
  request.end();
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}
