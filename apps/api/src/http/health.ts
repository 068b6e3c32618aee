import type { FastifyInstance } from 'fastify';
import type { Deps } from '../deps.ts';

const PROBE_TIMEOUT_MS = 1_000;

/** `/healthz`: the process lives. `/readyz`: it can serve, with a line per dependency. Both are open and say no more. */
export function serveHealth(app: FastifyInstance, deps: Deps): void {
  app.get('/healthz', { schema: { hide: true } as object }, async () => ({ ok: true }));
  app.get('/readyz', { schema: { hide: true } as object }, async (_request, reply) => {
    const [database, queue] = await Promise.all([isDatabaseReady(deps), deps.queue.isReady()]);
    const ok = database && queue;
    return reply.code(ok ? 200 : 503).send({
      ok,
      dependencies: { database: { ok: database }, queue: { ok: queue } },
    });
  });
}

async function isDatabaseReady(deps: Deps): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PROBE_TIMEOUT_MS);
  });
  const answered = deps.db.pool.query('select 1').then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}
