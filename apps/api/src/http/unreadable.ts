import type { Socket } from 'node:net';
import { ERROR_CATALOG } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { BARE_HEADERS } from './headers.ts';

/**
 * Answers bytes that are no HTTP request, or one whose head is too large or too slow, and ends the connection. There
 * is no request yet, so nothing else of the API sees them; the envelope is the same.
 */
export function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const requestId = newId();
  const { status } = ERROR_CATALOG.BAD_REQUEST;
  const message = 'The request could not be read: it is not valid HTTP, or its headers are too large or too slow.';
  const body = JSON.stringify({ code: 'BAD_REQUEST', message, requestId });
  const head = [
    `HTTP/1.1 ${status} Bad Request`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    ...Object.entries(BARE_HEADERS).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
