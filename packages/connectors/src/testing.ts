import { appendFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { ActionError } from './sdk.ts';

export type TestServer = { port: number; connections(): number; close(): Promise<void> };

/** A real HTTP server on a free loopback port that counts the connections it gets. */
export async function startHttpServer(listener: RequestListener, host = '127.0.0.1'): Promise<TestServer> {
  return countConnections(createServer(listener), host, 0);
}

/** A server that accepts, counts and says nothing. */
export async function startSilentServer(host = '127.0.0.1', port = 0): Promise<TestServer> {
  return countConnections(createTcpServer(), host, port);
}

/** Counts TCP connections of any server and makes `close` end them too. */
export async function countConnections(server: Server, host: string, port: number): Promise<TestServer> {
  const open = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket) => {
    count += 1;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** The ActionError that `work` ends with; anything else fails the test. */
export async function actionErrorOf(work: Promise<unknown>): Promise<ActionError> {
  const outcome: unknown = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof ActionError) return outcome;
  throw outcome;
}

/** As in packages/shared/src/testing.ts, from which this package may not import. */
export function reportFigure(guarantee: string, measured: string): void {
  const file = process.env.MILLRACE_TEST_FIGURES;
  if (file) appendFileSync(file, `${JSON.stringify({ guarantee, measured })}\n`);
}
