import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Long enough to be met by something else. */
const SLOW_MS = { '/slow': 400, '/short': 150 };

export interface WindowEcho {
  url: string;
  port: number;
  /** By the `Idempotency-Key`, which names run and step; epoch milliseconds. */
  calls: { key: string; at: number }[];
  close(): void;
}

/** What steps call: `/slow` and `/short` take their time, `/never` is not answered, `/no` is refused for good, anything else at first. */
export async function startWindowEcho(): Promise<WindowEcho> {
  const calls: WindowEcho['calls'] = [];
  const called = new Set<string>();
  const answer = (path: string, isFirst: boolean, response: ServerResponse) => {
    const slowMs = SLOW_MS[path as keyof typeof SLOW_MS];
    if (path === '/never') return;
    if (path === '/no') response.statusCode = 404;
    else if (slowMs === undefined && isFirst) response.statusCode = 503; // so that each run pauses once
    setTimeout(() => response.end('{}'), slowMs ?? 0);
  };
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key']);
    const isFirst = !called.has(key);
    called.add(key);
    calls.push({ key, at: Date.now() });
    answer(request.url ?? '', isFirst, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    calls,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
