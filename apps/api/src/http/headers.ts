import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { ApiConfig } from '@millrace/shared/config';
import type { FastifyInstance } from 'fastify';

/** What the web app may read beside the body. */
const EXPOSED = [
  'x-request-id',
  'x-org-context-warning',
  'idempotency-replayed',
  'retry-after',
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

/** For answers that leave without having passed the hooks: of the router, and for what is no HTTP request at all. */
export const BARE_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': PERMISSIONS,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/**
 * The headers of every answer. CORS and cookies follow WEB_BASE_URL and nothing that a request says about itself. HSTS is
 * sent where people come by https; on a plain http address it would have no effect today and surprise tomorrow.
 */
export async function setHeaders(app: FastifyInstance, config: ApiConfig): Promise<void> {
  const web = new URL(config.WEB_BASE_URL);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...BARE_HEADERS, 'x-request-id': request.id });
  });
  await app.register(cookie);
  await app.register(cors, {
    origin: [web.origin],
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
  });
  await app.register(helmet, {
    contentSecurityPolicy: false, // those that BARE_HEADERS holds already
    frameguard: false,
    referrerPolicy: false,
    noSniff: false,
    crossOriginResourcePolicy: false,
    strictTransportSecurity: web.protocol === 'https:' && { maxAge: 31_536_000, includeSubDomains: true },
  });
}
