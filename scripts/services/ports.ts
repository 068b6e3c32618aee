import { createServer } from 'node:net';
import { SetupError } from './failure.ts';

const NEIGHBOURS = 20;

/**
 * A TCP port of 127.0.0.1 that nobody listens on: `preferred`, one of the next twenty, or any. Nothing reserves it, so
 * whoever binds it must cope with losing the race.
 */
export async function findFreePort(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + NEIGHBOURS; port += 1) {
    if ((await tryPort(port)) !== undefined) return port;
  }
  const port = await tryPort(0);
  if (port === undefined) throw new SetupError('There is no free TCP port on 127.0.0.1.');
  return port;
}

/** Whether nobody listens on this port of `host`. */
export async function isPortFree(port: number, host: string): Promise<boolean> {
  return (await tryPort(port, host)) !== undefined;
}

export interface Reservation {
  release: () => Promise<void>;
}

/**
 * Keeps a port from everybody who looks for a free one, until `release` or until somebody knocks by connecting: for a program
 * that starts later under an address that others are told now, and knocks when it is about to listen. Throws SetupError when it was taken meanwhile.
 */
export function reservePort(port: number, host: string): Promise<Reservation> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.destroy();
      server.close();
    });
    server.once('error', () => reject(new SetupError(`Port ${port} of ${host} was taken (EADDRINUSE).`)));
    server.listen({ port, host, exclusive: true }, () => {
      server.unref();
      resolve({ release: () => new Promise((closed) => server.close(() => closed())) });
    });
  });
}

function tryPort(port: number, host = '127.0.0.1'): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
