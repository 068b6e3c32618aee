import { httpDuration } from '@millrace/shared/metrics';
import type { Span } from '@millrace/shared/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';

declare module 'fastify' {
  interface FastifyRequest {
    span?: Span;
  }
}

/** Measures and traces every request by its route's template: a path as it was sent would be a new series for each id. */
export function observeRequests(app: FastifyInstance, { tracing }: Deps): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { route, method } = routeOf(request);
    const { traceparent } = request.headers;
    request.span = tracing.startSpan({
      name: `${method} ${route}`,
      kind: 'server',
      attributes: { 'http.request.method': method, 'http.route': route, 'millrace.request.id': request.id },
      // Linked, not joined: a stranger must decide neither which trace is ours nor what is kept.
      link: typeof traceparent === 'string' ? traceparent : undefined,
    });
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { statusCode, elapsedTime } = reply;
    httpDuration.observe(
      { ...routeOf(request), status_class: `${Math.floor(statusCode / 100)}xx` },
      elapsedTime / 1000,
    );
    request.span?.note({ 'http.response.status_code': statusCode });
    if (statusCode >= 500) request.span?.markFailed();
    request.span?.end();
    done();
  });
}

function routeOf(request: FastifyRequest): { route: string; method: string } {
  const route = request.routeOptions.url;
  // Methods that no route knows are words of the caller's choice.
  return route === undefined ? { route: 'none', method: 'any' } : { route, method: request.method };
}
