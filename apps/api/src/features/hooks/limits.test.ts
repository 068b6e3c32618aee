import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../testing.ts';
import { deliver, publishHook, runsOf } from './testing.ts';

const LIMIT = 5;
let api: TestApi;

beforeAll(async () => {
  api = await openTestApi({ RATE_LIMIT_HOOK_PER_MIN: LIMIT, RATE_LIMIT_LINK_PER_MIN: LIMIT });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.close();
});

it('A4: one webhook takes exactly its limit a minute, and holds up no other', async () => {
  const [hook, other] = [await publishHook(api), await publishHook(api)];
  const answers = await Promise.all(Array.from({ length: 4 * LIMIT }, () => deliver(hook.url)));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(3 * LIMIT);
  expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await runsOf(api, hook)).toHaveLength(LIMIT);
  expect((await deliver(other.url)).status).toBe(202);
});

it('A4: guessing tokens is limited by address, and a webhook that exists still answers there', async () => {
  const hook = await publishHook(api);
  const guess = () => deliver(hook.url.replace(/[^/]+$/, 'x'.repeat(43)));
  const statuses = (await Promise.all(Array.from({ length: 2 * LIMIT }, guess))).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([...Array(LIMIT).fill(404), ...Array(LIMIT).fill(429)]);
  expect((await deliver(hook.url)).status).toBe(202);
  const lines = JSON.stringify(api.logLines);
  expect(lines).toContain('/v1/hooks/:token');
  expect(lines).not.toContain(hook.url.split('/').at(-1));
});
