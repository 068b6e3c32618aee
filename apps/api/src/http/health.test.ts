import { startTestRedis } from '@millrace/queue/testing';
import { expect, it } from 'vitest';
import { addOrganization } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';

it('is healthy as long as the process lives, and ready as long as both dependencies answer', async () => {
  const redis = await startTestRedis();
  const api = await openTestApi({ REDIS_URL: redis.url });
  try {
    await expect.poll(() => readiness(api), { timeout: 5_000 }).toEqual(answer(true, true));

    await redis.kill();
    await expect.poll(() => readiness(api), { timeout: 5_000 }).toEqual(answer(true, false));
    expect((await api.app.inject('/healthz')).json()).toEqual({ ok: true });

    await redis.restart();
    await expect.poll(() => readiness(api), { timeout: 10_000 }).toEqual(answer(true, true));
  } finally {
    await api.close();
    await redis.stop();
  }
});

it('answers 503 DATABASE_UNAVAILABLE with Retry-After and no detail while PostgreSQL is away', async () => {
  const api = await openTestApi();
  try {
    const { owner, orgId } = await addOrganization(api);
    const headers = { authorization: `Bearer ${owner.token}`, 'x-org-id': orgId };
    const read = () => api.app.inject({ method: 'GET', url: `/v1/orgs/${orgId}`, headers });
    expect((await read()).statusCode).toBe(200);

    // Nothing listens on port 1: what is open ends, and no new connection can be made.
    const { options } = api.deps.db.pool;
    const { host, port, connectionString } = options;
    Object.assign(options, { connectionString: undefined, host: '127.0.0.1', port: 1 });
    await endConnections(api);
    const refused = await read();
    expect(refused.statusCode).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json()).toEqual({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.any(String),
      requestId: refused.headers['x-request-id'],
    });
    expect(refused.body).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|postgres|terminat/i);
    expect((await api.app.inject('/readyz')).json()).toEqual(answer(false, true).body);
    expect((await api.app.inject('/healthz')).statusCode).toBe(200);

    Object.assign(options, { connectionString, host, port });
    expect((await read()).statusCode).toBe(200);
  } finally {
    await api.close();
  }
});

async function readiness(api: TestApi) {
  const response = await api.app.inject('/readyz');
  return { status: response.statusCode, body: response.json() };
}

function answer(database: boolean, queue: boolean) {
  const ok = database && queue;
  return {
    status: ok ? 200 : 503,
    body: { ok, dependencies: { database: { ok: database }, queue: { ok: queue } } },
  };
}

/** Ends every connection of the API's pool from the server's side and waits until the pool has seen it. */
async function endConnections(api: TestApi): Promise<void> {
  const { pool } = api.deps.db;
  await pool
    .query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND datname = current_database()
       ORDER BY pid = pg_backend_pid()`, // itself last, else it ends before the others
    )
    .catch(() => undefined);
  await expect.poll(() => pool.totalCount, { timeout: 5_000 }).toBe(0);
}
