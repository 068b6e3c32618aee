import type { FastifyRequest } from 'fastify';

/** The path as events and logs may show it: without the query, and without a token that stands in the path itself. */
export function loggablePath(request: FastifyRequest): string {
  const path = request.url.split('?')[0] ?? '';
  const pattern = request.routeOptions.url?.split('/') ?? [];
  const tokenAt = pattern.indexOf(':token');
  return tokenAt === -1 ? path : path.split('/').with(tokenAt, ':token').join('/');
}
