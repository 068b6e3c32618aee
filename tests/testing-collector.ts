import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it came over the wire. */
export interface ReceivedSpan {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: Record<string, string | number>;
  /** Trace ids. */
  links: string[];
  isError: boolean;
}

export interface Collector {
  url: string;
  spans: ReceivedSpan[];
  /** Every body and header that arrived. */
  bodies: string[];
  headers: string[];
  close(): Promise<void>;
}

/** A receiver of OTLP over HTTP, JSON, on a free loopback port. */
export async function startCollector(): Promise<Collector> {
  const collected = { spans: [] as ReceivedSpan[], bodies: [] as string[], headers: [] as string[] };
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const body = Buffer.concat(chunks).toString();
    if (request.method === 'POST' && request.url === '/v1/traces') {
      collected.bodies.push(body);
      collected.headers.push(JSON.stringify(request.headers));
      collected.spans.push(...readSpans(JSON.parse(body)));
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...collected,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface WireAttribute {
  key: string;
  value: { stringValue?: string; intValue?: number | string };
}

interface Wire {
  resourceSpans: {
    resource: { attributes: WireAttribute[] };
    scopeSpans: {
      spans: (Omit<ReceivedSpan, 'attributes' | 'links'> & {
        attributes: WireAttribute[];
        links?: { traceId: string }[];
        status?: { code?: number };
      })[];
    }[];
  }[];
}

function readSpans({ resourceSpans }: Wire): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ traceId, spanId, parentSpanId, name, attributes, links = [], status }) => ({
        ...{ service: String(readAttributes(resource.attributes)['service.name']), traceId, spanId, name },
        ...(parentSpanId ? { parentSpanId } : {}),
        attributes: readAttributes(attributes),
        links: links.map((link) => link.traceId),
        isError: status?.code === 2,
      })),
  );
}

function readAttributes(attributes: WireAttribute[]): Record<string, string | number> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));
}
