import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

/** Runs that lost two owners in a row may be what kills them: they execute alone, but nobody waits for ever because of that. */

let platform: TestPlatform;
let echo: EchoServer;
const release = Promise.withResolvers<void>();

/** Whatever is held is answered at the very end. */
beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  echo = await startEcho(async (call, response) => {
    if (call.path.startsWith('/held')) await release.promise;
    response.end('ok');
  });
  await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});
afterAll(async () => {
  release.resolve();
  await platform.close();
  await echo.close();
});

function get(path: string) {
  const nodes = [{ id: 'a', type: 'http.request', config: { method: 'GET', url: `${echo.url}${path}` } }];
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
}

function untilCalled(path: string): Promise<void> {
  return eventually(
    () => echo.callsTo(path).length > 0,
    () => `a call of ${path}`,
  );
}

/** As if its owner, the second one in a row, had just died; it has been claimed so often. */
async function suspect(run: TestRun, claims: number): Promise<void> {
  await platform.admin.pool.query(
    `UPDATE app.workflow_runs SET status = 'running', lease_token = $2, lost_claims = 1, started_at = coalesce(started_at, now()),
       next_attempt_at = NULL, lease_until = now() - interval '1 s' WHERE id = $1`,
    [run.runId, claims],
  );
  await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
}

describe('a suspect', () => {
  test('with a long step keeps others out for ten seconds and no longer', { timeout: 40_000 }, async () => {
    const run = await platform.run(get('/held/suspect'), { isAsleep: true });
    await suspect(run, 1);
    await untilCalled('/held/suspect');
    const other = await platform.run(get('/other'));
    await other.until(['succeeded'], 20_000);
    expect(await run.row()).toMatchObject({ status: 'running', leaseToken: 2 });
    // It is inside still, so whoever comes next finds company.
  });

  test('that finds others inside is put off three times, and goes on beside them then', {
    timeout: 60_000,
  }, async () => {
    const other = await platform.run(get('/held/other'));
    await untilCalled('/held/other');
    const run = await platform.run(get('/beside'), { isAsleep: true });
    for (const claims of [1, 2, 3]) {
      await suspect(run, claims);
      await eventually(
        async () => (await run.row()).nextAttemptAt !== null,
        () => 'the run to be put off',
      );
      expect(await run.row()).toMatchObject({ status: 'running', leaseToken: claims + 1, lostClaims: 2 });
    }
    expect(echo.callsTo('/beside')).toEqual([]);
    await suspect(run, 4);
    expect(await run.until(['succeeded'])).toMatchObject({ leaseToken: 5 });
    expect((await other.row()).status).toBe('running');
  });
});
