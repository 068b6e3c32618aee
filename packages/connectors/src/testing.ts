import { appendFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { ActionError, type Files } from './sdk.ts';

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

/** Files as a run has them, in memory and without limits. */
export function openMemoryFiles(): Files & { contents: Map<string, Buffer> } {
  const contents = new Map<string, Buffer>();
  const types = new Map<string, string>();
  return {
    contents,
    write: async (content, { name, contentType }) => {
      const bytes = Buffer.concat(await Readable.from(content).toArray());
      const id = `file-${contents.size + 1}`;
      contents.set(id, bytes);
      types.set(id, contentType);
      return { $file: id, name, contentType, sizeBytes: bytes.length };
    },
    read: async (id) => {
      const bytes = contents.get(id);
      if (!bytes) throw new ActionError('FILE_NOT_FOUND', 'There is no such file.');
      const contentType = types.get(id) ?? '';
      return { contentType, sizeBytes: bytes.length, open: () => Readable.from([bytes], { objectMode: false }) };
    },
  };
}
