import { cancelRun } from '@millrace/shared/contracts/runs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { deliver, publishHook, runsOf } from './testing.ts';

const TIMEOUT_MS = 6_000;
let api: TestApi;

beforeAll(async () => {
  api = await openTestApi({ WEBHOOK_REPLY_TIMEOUT_MS: TIMEOUT_MS });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.close();
});

/** No worker takes part in these tests: nothing is ever answered. */
it('of one organization 100 requests wait at a time, more hear 202 at once, and each frees its place in the end', {
  timeout: 60_000,
}, async () => {
  const [hook, other] = [await publishHook(api, { reply: 'result' }), await publishHook(api, { reply: 'result' })];
  const leaving = new AbortController();
  const ended: string[] = [];
  const send = (name: string, signal?: AbortSignal) =>
    deliver(hook.url, signal ? { signal } : {}).then(
      ({ status }) => void ended.push(`${name} ${status}`),
      () => void ended.push(`${name} left`),
    );
  const waiting = Array.from({ length: 100 }, (_, nth) => send('waited', nth === 0 ? leaving.signal : undefined));
  await expect.poll(() => runsOf(api, hook), { timeout: 20_000 }).toHaveLength(100);
  await send('one too many');
  expect(ended).toEqual(['one too many 202']);
  const elsewhere = deliver(other.url);
  leaving.abort();
  await Promise.all([...waiting, elsewhere]);
  expect(ended.filter((end) => end === 'waited 202')).toHaveLength(99);
  expect((await elsewhere).status).toBe(202);
});

it('a run that is cancelled before it answers fails its sender within seconds', async () => {
  const hook = await publishHook(api, { reply: 'result' });
  const answer = deliver(hook.url);
  await expect.poll(() => runsOf(api, hook)).toHaveLength(1);
  const [run] = await runsOf(api, hook);
  const params = { orgId: hook.orgId, workflowId: hook.workflowId, runId: String(run?.id) };
  expect((await call(api, cancelRun, { token: hook.owner.token, params })).status).toBe(200);
  expect(await answer).toMatchObject({ status: 500, body: { code: 'RUN_FAILED' } });
});

it('an API that ends lets nobody wait: 202 at once', async () => {
  const own = await openTestApi();
  await own.app.listen({ host: '127.0.0.1', port: 0 });
  const hook = await publishHook(own, { reply: 'result' });
  const answer = deliver(hook.url);
  await expect.poll(() => runsOf(own, hook)).toHaveLength(1);
  await own.close();
  expect((await answer).status).toBe(202);
});
