import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface ChaosEcho {
  url: string;
  port: number;
  /** When which step called, by its `Idempotency-Key` (run and step); epoch milliseconds. */
  calls: Map<string, number[]>;
  /** Of how many runs a step has called. */
  runCount(): number;
  count(): number;
  close(): void;
}

/** One in so many requests is refused at first, so that its step is tried again. */
const FLAKY = 20;

/**
 * What steps call: answers the number they send, some of them slowly, and every twentieth only at the second try. It
 * notes each call, which is what can be seen of a step from outside.
 */
export async function startChaosEcho(): Promise<ChaosEcho> {
  const calls = new Map<string, number[]>();
  const runs = new Set<string>();
  let count = 0;
  const server = createServer(async (request, response) => {
    const key = String(request.headers['idempotency-key']);
    const times = calls.get(key) ?? [];
    calls.set(key, [...times, Date.now()]);
    runs.add(key.split(':')[0] ?? '');
    count += 1;
    let body = '';
    for await (const chunk of request) body += chunk;
    const { n } = JSON.parse(body) as { n: number };
    // Some calls are under way long enough to be met by a fault.
    await pause(n % 10 === 0 ? 400 : n % 7);
    response.statusCode = n % FLAKY === 0 && times.length === 0 ? 503 : 200;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ n }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/echo`,
    port,
    calls,
    runCount: () => runs.size,
    count: () => count,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
