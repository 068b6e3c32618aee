import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../testing.ts';
import { BARE_HEADERS } from './headers.ts';

let api: TestApi;
let port: number;

beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = api.app.server.address() as AddressInfo);
});

afterAll(async () => {
  await api.close();
});

it.each([
  ['garbage', '\x16\x03\x01\x00\xa5\r\n\r\n'],
  ['a head of 100 KB', `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`],
  ['a query of 100 KB', `GET /healthz?${'a=1&'.repeat(25_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['a method that does not exist', 'BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['two lengths', 'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'a length and chunks',
    'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
])('T6: answers %s with the envelope and ends the connection', async (_name, bytes) => {
  const { status, head, body } = await exchange(bytes);
  expect(status).toBe(400);
  for (const [name, value] of Object.entries(BARE_HEADERS)) expect(head).toContain(`${name}: ${value}\r\n`);
  expect(body).toEqual({ code: 'BAD_REQUEST', message: expect.any(String), requestId: expect.any(String) });
});

it('T7: refuses more than 1 MiB in chunks, whose length nobody announced', async () => {
  const head = 'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const { status, body } = await exchange(
    `${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk.repeat(17)}`,
  );
  expect(status).toBe(413);
  expect(body).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
});

it('still serves others after all that', async () => {
  const { status } = await exchange('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  expect(status).toBe(200);
});

/** Sends bytes as they are and reads until the server ends the connection. */
async function exchange(bytes: string): Promise<{ status: number; head: string; body: unknown }> {
  const socket = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.on('error', () => undefined); // the server may close while we still write
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  const [head = '', body = ''] = Buffer.concat(received).toString().split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head: `${head}\r\n`, body: JSON.parse(body) };
}
