/** A real HTTP server on loopback that steps call in tests. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface EchoCall {
  at: Date;
  path: string;
  idempotencyKey: string | undefined;
  authorization: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
  /** The caller hung up before it had its answer. */
  isAborted: boolean;
}

export interface EchoServer {
  readonly port: number;
  readonly url: string;
  /** Allows steps to reach this server and nothing else on the machine. */
  readonly egress: string;
  readonly calls: EchoCall[];
  callsTo(path: string): EchoCall[];
  close(): Promise<void>;
}

export type EchoAnswer = (call: EchoCall, response: ServerResponse) => void;

/** Answers every request as `answer` says and remembers it when it arrives. */
export async function startEcho(answer: EchoAnswer): Promise<EchoServer> {
  const calls: EchoCall[] = [];
  const server = createServer(async (request, response) => {
    const call = { ...headOf(request), at: new Date(), body: '', isAborted: false };
    calls.push(call);
    response.on('close', () => {
      call.isAborted = !response.writableFinished;
    });
    for await (const chunk of request) call.body += chunk;
    answer(call, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    egress: `127.0.0.1/32:${port}`,
    calls,
    callsTo: (path) => calls.filter((call) => call.path === path),
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function headOf(request: IncomingMessage) {
  const key = request.headers['idempotency-key'];
  const { headers, url: path = '' } = request;
  const { authorization } = headers;
  return { path, idempotencyKey: typeof key === 'string' ? key : undefined, authorization, headers };
}
