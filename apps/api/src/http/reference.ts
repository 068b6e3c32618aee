import { createHash } from 'node:crypto';
import { AppError } from '@millrace/shared/errors';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

/**
 * A readable reference of the API at `/docs`: one bundle with an inline start script, which shows public text only and no
 * user content. Its five megabytes are loaded by the first who looks.
 */
export function serveReference(app: FastifyInstance): void {
  let opening: Promise<FastifyInstance> | undefined;
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    opening ??= openReference();
    const { statusCode, headers, rawPayload } = await (await opening).inject({ method: 'GET', url: request.url });
    if (statusCode === 404) throw new AppError('NOT_FOUND');
    for (const name of ['content-type', 'location'] as const)
      if (headers[name] !== undefined) reply.header(name, headers[name]);
    const isPage = String(headers['content-type']).startsWith('text/html');
    reply.header('content-security-policy', referencePolicy(isPage ? String(rawPayload) : ''));
    return reply.code(statusCode).send(rawPayload);
  };
  for (const url of ['/docs', '/docs/*']) app.get(url, { schema: { hide: true } as object }, answer);
}

/** An app of its own, because no route can be added to one that listens. */
async function openReference(): Promise<FastifyInstance> {
  const { default: reference } = await import('@scalar/fastify-api-reference');
  const app = Fastify();
  await app.register(reference, {
    routePrefix: '/docs',
    configuration: {
      url: '/v1/openapi.json',
      withDefaultFonts: false,
      telemetry: false,
      // A self-hosted page offers nobody else's services.
      showDeveloperTools: 'never',
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
    },
  });
  return app;
}

/** Allows the page's own inline scripts by their hash, and so no other. The bundle writes styles into elements. */
function referencePolicy(page: string): string {
  const scripts = [...page.matchAll(INLINE_SCRIPT)].map(([, script = '']) => script);
  const hashes = scripts.map((script) => ` 'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  return [
    "default-src 'self'",
    `script-src 'self'${hashes.join('')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join(';');
}

const INLINE_SCRIPT = /<script(?: type="text\/javascript")?>([^<]*)<\/script>/g;
