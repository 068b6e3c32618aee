import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../testing.ts';

const ORIGIN = 'https://app.example.com';

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi({ WEB_BASE_URL: ORIGIN });
});

afterAll(async () => {
  await api.close();
});

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

it.each([
  ['an answer', 'GET', '/healthz', 200],
  ['the printed contract', 'GET', '/v1/openapi.json', 200],
  ['a refusal', 'GET', '/v1/me', 401],
  ['an unknown address', 'GET', '/nope', 404],
  ['a wrong method', 'DELETE', '/v1/orgs', 405],
] as const)('sends the security headers with %s', async (_name, method, url, status) => {
  const { statusCode, headers } = await api.app.inject({ method, url });
  expect(statusCode).toBe(status);
  expect(headers).toMatchObject(SECURITY_HEADERS);
  expect(headers['x-powered-by']).toBeUndefined();
  expect(headers.server).toBeUndefined();
});

it('frames and runs nothing foreign on the reference page', async () => {
  const { statusCode, headers } = await api.app.inject('/docs/');
  expect(statusCode).toBe(200);
  const policy = String(headers['content-security-policy']);
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
});

it('lets the web app read answers, and no other origin', async () => {
  const ask = (origin: string) => api.app.inject({ method: 'GET', url: '/healthz', headers: { origin } });
  const allowed = await ask(ORIGIN);
  expect(allowed.headers['access-control-allow-origin']).toBe(ORIGIN);
  expect(allowed.headers['access-control-allow-credentials']).toBe('true');
  for (const origin of ['null', 'https://app.example.com.evil.com', 'http://app.example.com', `${ORIGIN}:444`])
    expect((await ask(origin)).headers['access-control-allow-origin']).toBeUndefined();
});

it('gives every request an id of its own and never takes the one a client sends', async () => {
  const headers = { 'x-request-id': 'mine', 'request-id': 'mine' };
  const ids = await Promise.all(
    Array.from({ length: 5 }, async () => (await api.app.inject({ url: '/healthz', headers })).headers['x-request-id']),
  );
  expect(new Set(ids).size).toBe(5);
  expect(ids).not.toContain('mine');
});
