import { AppError } from '@millrace/shared/errors';
import type { FastifyInstance, HTTPMethods } from 'fastify';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Answers 405 with `Allow` on every known path for the methods it does not serve. Call before the routes are added:
 * it watches them being registered, and adds the missing methods when all are there.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const served = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = served.get(url) ?? new Set<string>();
    for (const one of [method].flat()) methods.add(one);
    served.set(url, methods);
  });
  return () => {
    for (const [url, methods] of [...served]) {
      const others = METHODS.filter((method) => !methods.has(method)) as HTTPMethods[];
      if (others.length === 0) continue;
      const allow = [...methods].join(', ');
      app.route({
        method: others,
        url,
        schema: { hide: true } as object,
        onRequest: async (_request, reply) => {
          reply.header('allow', allow);
          throw new AppError('METHOD_NOT_ALLOWED');
        },
        handler: async () => undefined,
      });
    }
  };
}
