import { httpDuration } from '@millrace/shared/metrics';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Measures every request by its route's template: a path as it was sent would be a new series for each id. */
export function observeRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const status_class = `${Math.floor(reply.statusCode / 100)}xx`;
    httpDuration.observe({ ...routeOf(request), status_class }, reply.elapsedTime / 1000);
    done();
  });
}

function routeOf(request: FastifyRequest): { route: string; method: string } {
  const route = request.routeOptions.url;
  // Methods that no route knows are words of the caller's choice.
  return route === undefined ? { route: 'none', method: 'any' } : { route, method: request.method };
}
