import { once } from 'node:events';
import { createServer, type RequestListener, type Server, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createForward } from './forward.ts';

let api: Server;
let web: Server;
let url: string;
let answer: RequestListener;
const failures: string[] = [];

beforeEach(async () => {
  failures.length = 0;
  api = createServer((request, response) => answer(request, response));
  const forward = createForward(await listen(api), (error) => failures.push(error));
  web = createServer(forward);
  url = await listen(web);
});
afterEach(() => {
  for (const server of [web, api]) {
    server.closeAllConnections();
    server.close();
  }
});

it('passes method, path, body and cookies on byte for byte, and every cookie back', async () => {
  answer = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.writeHead(201, { 'set-cookie': ['rt=1; Path=/; HttpOnly', 'flow=2; Path=/'], 'x-request-id': 'r' });
    const { method, url: path, headers } = request;
    response.end(JSON.stringify({ method, path, cookie: headers.cookie, body: Buffer.concat(chunks).toString('hex') }));
  };
  const body = Buffer.from([0, 255, 10, 13, 128]);
  const path = '/v1/hooks/a%2Fb?x=%20&x=2';
  const response = await fetch(`${url}${path}`, { method: 'PUT', body, headers: { cookie: 'rt=0' } });
  expect(response.status).toBe(201);
  expect(response.headers.getSetCookie()).toEqual(['rt=1; Path=/; HttpOnly', 'flow=2; Path=/']);
  expect(await response.json()).toEqual({ method: 'PUT', path, cookie: 'rt=0', body: body.toString('hex') });
});

it('appends the address of whoever connected, so that a client cannot choose its own', async () => {
  answer = (request, response) => response.end(request.headers['x-forwarded-for']);
  expect(await (await fetch(url)).text()).toBe('127.0.0.1');
  const claimed = await fetch(url, { headers: { 'x-forwarded-for': '203.0.113.9' } });
  expect(await claimed.text()).toBe('203.0.113.9, 127.0.0.1');
});

it('keeps back no byte of a stream, and leaves the API when its reader leaves', async () => {
  let hasLeft: (value: unknown) => void = () => {};
  const left = new Promise((resolve) => {
    hasLeft = resolve;
  });
  answer = (request, response) => {
    request.once('close', hasLeft);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' });
    response.write('data: 1\n\n');
  };
  const leaving = new AbortController();
  const response = await fetch(url, { signal: leaving.signal, headers: { 'accept-encoding': 'gzip' } });
  expect(response.headers.get('content-encoding')).toBeNull();
  const { value } = (await response.body?.getReader().read()) ?? {};
  expect(new TextDecoder().decode(value)).toBe('data: 1\n\n');
  leaving.abort();
  await left;
});

it('says that the API cannot be reached, and takes nobody down with it', async () => {
  api.close();
  await once(api, 'close');
  const response = await fetch(`${url}/v1/me`);
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ code: 'API_UNREACHABLE' });
  expect(failures).toHaveLength(1);
});

it('passes on nothing that belongs to one connection alone', async () => {
  answer = (request, response) => {
    const { connection: _, ...headers } = request.headers;
    response.writeHead(200, { 'keep-alive': 'timeout=99', 'x-kept': 'yes' });
    response.end(JSON.stringify(headers));
  };
  const { port } = new URL(url);
  const request = send({
    port,
    headers: { connection: 'close, x-mine', 'x-mine': '1', te: 'trailers', 'x-other': '2' },
  });
  request.end();
  const [response] = await once(request, 'response');
  expect(response.headers['x-kept']).toBe('yes');
  expect(response.headers['keep-alive']).not.toBe('timeout=99');
  let text = '';
  for await (const chunk of response) text += chunk;
  expect(JSON.parse(text)).toEqual({ host: expect.any(String), 'x-other': '2', 'x-forwarded-for': '127.0.0.1' });
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
