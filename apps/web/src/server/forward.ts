import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request as open, type ServerResponse } from 'node:http';
import { request as openTls, Agent as TlsAgent } from 'node:https';
import { pipeline } from 'node:stream';

/** Belong to one connection, not to the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP = [
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
];
const UNREACHABLE = {
  code: 'API_UNREACHABLE',
  message: 'Millrace cannot be reached right now; try again shortly.',
  requestId: null,
};

export type Forward = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Passes a request on to the API as it is and its answer back as it comes: bytes are never held back (a timeline streams),
 * cookies and signed bodies stay as they are, and the call ends when either side leaves. The address of whoever
 * connected is appended to X-Forwarded-For, so that the API's TRUST_PROXY counts this program as one proxy.
 */
export function createForward(apiUrl: string, onFailure: (error: string) => void): Forward {
  const target = new URL(apiUrl);
  const isTls = target.protocol === 'https:';
  const agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
  const send = isTls ? openTls : open;
  return (request, response) => {
    const upstream = send({
      protocol: target.protocol,
      hostname: target.hostname.replace(/^\[|\]$/g, ''),
      port: target.port,
      path: request.url,
      method: request.method,
      headers: forwardedHeaders(request, target.host),
      agent,
    });
    const leave = () => upstream.destroy();
    response.once('close', leave);
    upstream.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
      // Headers of a stream leave before its first event does.
      response.flushHeaders();
      pipeline(answer, response, () => {});
    });
    upstream.once('error', (error) => {
      if (response.destroyed) return;
      onFailure(error.message);
      answerUnreachable(response);
    });
    pipeline(request, upstream, () => {});
  };
}

function forwardedHeaders(request: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { headers, socket } = request;
  const before = headers['x-forwarded-for'];
  const peer = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown';
  return { ...endToEnd(headers), host, 'x-forwarded-for': before ? `${before}, ${peer}` : peer };
}

function endToEnd(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}

function answerUnreachable(response: ServerResponse): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(502, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(JSON.stringify(UNREACHABLE));
}
