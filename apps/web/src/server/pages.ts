import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import next from 'next';
import { openCompressed } from './compressed.ts';
import { contentSecurityPolicy, pageHeaders } from './page-headers.ts';

export type ServePage = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves the production build of `dir`. Throws when there is none. */
export async function openPages(dir: string, webBaseUrl: string): Promise<ServePage> {
  const app = next({ dir, dev: false });
  await app.prepare();
  const handle = app.getRequestHandler();
  const base = new URL(webBaseUrl);
  const serveCompressed = openCompressed(join(dir, '.next', 'static'));
  return (request, response) => {
    if (serveCompressed(request, response)) return;
    const nonce = randomBytes(16).toString('base64');
    const policy = contentSecurityPolicy(nonce, base.protocol === 'https:');
    // The framework reads the nonce from here and puts it on each of its scripts; what a client sent is overwritten.
    request.headers['content-security-policy'] = policy;
    for (const [name, value] of Object.entries(pageHeaders(policy))) response.setHeader(name, value);
    void handle(request, response);
  };
}
