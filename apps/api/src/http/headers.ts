import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import type { ApiConfig } from '@millrace/shared/config';
import type { FastifyInstance } from 'fastify';

/** What the web app may read beside the body. */
const EXPOSED = [
  'x-request-id',
  'x-org-context-warning',
  'idempotency-replayed',
  'retry-after',
  'content-disposition',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
];
/** Nothing that an answer of an API needs; a page framed or opened from one must not have it either. */
const PERMISSIONS = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'microphone',
  'payment',
  'usb',
]
  .map((feature) => `${feature}=()`)
  .join(', ');

/**
 * An answer is data: it runs nothing, is framed by nobody, tells no other site anything and is stored nowhere. Constants,
 * because a plugin that makes them anew for each answer costs as much as reading a row. Also for answers that leave
 * without having passed the hooks: of the router, and for what is no HTTP request at all.
 */
export const BARE_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'permissions-policy': PERMISSIONS,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
} as const;

/**
 * The headers of every answer. CORS and cookies follow WEB_BASE_URL and nothing that a request says about itself. HSTS is
 * sent where people come by https; on a plain http address it would have no effect today and surprise tomorrow.
 */
export async function setHeaders(app: FastifyInstance, config: ApiConfig): Promise<void> {
  const web = new URL(config.WEB_BASE_URL);
  const isHttps = web.protocol === 'https:';
  const headers = {
    ...BARE_HEADERS,
    ...(isHttps && { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }),
  };
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers).header('x-request-id', request.id);
    done();
  });
  await app.register(cookie);
  await app.register(cors, {
    origin: [web.origin],
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
  });
}
