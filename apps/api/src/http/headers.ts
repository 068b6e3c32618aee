import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

/** An answer is data: it runs nothing, is framed by nobody, tells no other site anything and is stored nowhere. */
const ON_EVERY_ANSWER = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Headers of every answer, cookies, and the one other origin whose pages may read answers: the web app's. */
export async function setHeaders(app: FastifyInstance, webBaseUrl: string): Promise<void> {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(ON_EVERY_ANSWER).header('x-request-id', request.id);
    done();
  });
  await app.register(cookie);
  await app.register(cors, {
    origin: [new URL(webBaseUrl).origin],
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['x-request-id', 'x-org-context-warning', 'idempotency-replayed', 'retry-after'],
  });
}
