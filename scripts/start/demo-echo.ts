import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { findFreePort } from '../services/ports.ts';

const PREFERRED_PORT = 4390;

export interface Echo {
  url: string;
  port: number;
  /** Made at this start and told to nobody: a run whose output contains it has really called this server. */
  secretOfThisStart: string;
}

/**
 * The server that the demo's workflow calls: answers every request with what it received and with a random value of this
 * start. Writes a line per request to `logFile`. Lives as long as this process.
 */
export async function startEcho(logFile: string): Promise<Echo> {
  const secretOfThisStart = randomUUID();
  const server = createServer((request, response) => {
    appendFileSync(logFile, `${JSON.stringify(describeRequest(request))}\n`, { mode: 0o600 });
    answer(request, response, secretOfThisStart);
  });
  const preferred = await findFreePort(PREFERRED_PORT);
  const port = await listen(server, preferred).catch(() => listen(server, 0));
  return { url: `http://127.0.0.1:${port}`, port, secretOfThisStart };
}

/** The port it listens on; with 0 the system chooses a free one. */
function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function answer(request: IncomingMessage, response: ServerResponse, secretOfThisStart: string): void {
  request.resume();
  request.once('end', () => {
    const { method, url: path } = request;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ greeting: 'Hello from the echo server', method, path, secretOfThisStart }));
  });
}

function describeRequest({ method, url, headers }: IncomingMessage): object {
  return { time: new Date().toISOString(), method, path: url, idempotencyKey: headers['idempotency-key'] ?? null };
}
