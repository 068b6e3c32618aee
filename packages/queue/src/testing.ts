/** Real Redis servers and a faulty network for tests: everything on loopback, everything ended by its own pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_TIMEOUT_MS = 10_000;

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** SIGKILL: connections are refused from here on. */
  kill(): Promise<void>;
  /** SIGSTOP: connections are accepted by the kernel, nothing answers. */
  freeze(): void;
  /** SIGCONT: everything sent meanwhile is now worked off. */
  thaw(): void;
  /** The same port and data again, answering when this resolves (pong) or already while it loads its data (accept). */
  restart(until?: 'pong' | 'accept'): Promise<void>;
  /** The same port, and none of its data. */
  restartEmpty(): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

/** Starts a private server on a free port; `args` add to its command line, such as `['--appendonly', 'no']`. */
export async function startTestRedis(args: string[] = []): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  const port = await freePort();
  let server = await launch(port, folder, args);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill: () => end(server),
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    async restart(until = 'pong') {
      await end(server);
      server = await launch(port, folder, args, until);
    },
    async restartEmpty() {
      await end(server);
      await rm(join(folder, 'appendonlydir'), { recursive: true, force: true });
      server = await launch(port, folder, args);
    },
    async stop() {
      await end(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * What the proxy does to traffic. `black-hole` accepts connections and bytes and answers nothing; connections that lived
 * through it stay dead for ever, like those of a host that lost its power. `delay` holds each chunk, in order.
 */
export type Fault =
  | { type: 'none' }
  | { type: 'refuse' }
  | { type: 'black-hole' }
  | { type: 'reset' }
  | { type: 'delay'; delayMs: number };

export interface FaultProxy {
  readonly port: number;
  setFault(fault: Fault): Promise<void>;
  stop(): Promise<void>;
}

/** A TCP proxy on a free loopback port in front of `targetPort`, faultless at first. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const state: { fault: Fault } = { fault: { type: 'none' } };
  const server = createServer((client) => bridge(client, targetPort, sockets, state));
  await listen(server, port);
  return {
    port,
    async setFault(fault) {
      state.fault = fault;
      if (fault.type === 'refuse' || fault.type === 'reset') for (const socket of sockets) socket.resetAndDestroy();
      if (fault.type === 'refuse') await closeServer(server);
      else await listen(server, port);
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await closeServer(server);
    },
  };
}

/** A port on loopback that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Waits until `condition` holds, looking every few milliseconds; throws, naming `what`, after `timeoutMs`. */
export async function eventually(what: string, condition: () => unknown, timeoutMs = 5000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function launch(
  port: number,
  folder: string,
  args: string[],
  until: 'pong' | 'accept' = 'pong',
): Promise<ChildProcess> {
  const base = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const durable = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  for (const program of ['redis-server', 'valkey-server']) {
    const server = spawn(program, [...base, ...durable, ...args], { stdio: 'ignore' });
    const isRunning = await once(server, 'spawn').then(
      () => true,
      () => false,
    );
    if (!isRunning) continue;
    endWithThisProcess(server, folder);
    const isReady = () => {
      if (server.exitCode !== null) throw new Error(`${program} ended with ${server.exitCode} instead of answering`);
      return answersPing(port, until);
    };
    await eventually(`${program} answers on port ${port}`, isReady, START_TIMEOUT_MS).catch(async (error: unknown) => {
      await end(server);
      throw error;
    });
    return server;
  }
  throw new Error('neither redis-server nor valkey-server is on the PATH');
}

/** For tests that fail or forget; a test process that is itself killed leaves its server behind. */
function endWithThisProcess(server: ChildProcess, folder: string): void {
  const killServer = () => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', killServer);
  server.once('exit', () => process.removeListener('exit', killServer));
}

/** While the server loads its data it answers LOADING; that counts only when accepting connections is enough. */
function answersPing(port: number, until: 'pong' | 'accept'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      if (until === 'pong') return void socket.write('PING\r\n');
      socket.destroy();
      resolve(true);
    });
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(answer.toString().startsWith('+PONG'));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

/** SIGKILL also ends a stopped process, so a frozen server needs no thaw first. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
}

/** Joins two sockets. Bytes that meet a black hole are dropped and their connection never works again. */
function bridge(client: Socket, targetPort: number, sockets: Set<Socket>, state: { fault: Fault }): void {
  if (state.fault.type === 'reset') return void client.resetAndDestroy();
  const target = connect(targetPort, '127.0.0.1');
  let isDead = false;
  const forward = (to: Socket) => (chunk: Buffer) => {
    isDead ||= state.fault.type === 'black-hole';
    if (isDead) return;
    if (state.fault.type !== 'delay') return void to.write(chunk);
    setTimeout(() => to.write(chunk), state.fault.delayMs);
  };
  const pairs: [Socket, Socket][] = [
    [client, target],
    [target, client],
  ];
  for (const [from, to] of pairs) {
    sockets.add(from);
    from.on('data', forward(to));
    from.on('error', () => from.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }
}

async function listen(server: Server, port: number): Promise<void> {
  if (server.listening) return;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  await closed;
}
