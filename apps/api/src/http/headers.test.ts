import { createHash } from 'node:crypto';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../testing.ts';
import { BARE_HEADERS } from './headers.ts';

const ORIGIN = 'https://app.example.com';

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi({ WEB_BASE_URL: ORIGIN, RATE_LIMIT_SIGN_IN_PER_MIN: 5 });
});

afterAll(async () => {
  await api.close();
});

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'permissions-policy':
    'accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
};
/** Say what this answer is, not how it may be used. */
const OF_THE_ANSWER = ['content-type', 'content-length', 'date', 'connection', 'x-request-id', 'vary', 'allow'];

function isAboutSecurity([name]: [string, unknown]): boolean {
  return !OF_THE_ANSWER.includes(name) && !name.startsWith('access-control-') && !name.startsWith('ratelimit-');
}

const json = { 'content-type': 'application/json' };
const CLASSES: [name: string, status: number, request: InjectOptions][] = [
  ['a health check', 200, { url: '/healthz' }],
  ['the printed contract', 200, { url: '/v1/openapi.json' }],
  ['a route of a signed-in person, without credentials', 401, { url: '/v1/me' }],
  ['a route of an organization, without credentials', 401, { url: '/v1/orgs/0198c0de-0000-7000-8000-000000000000' }],
  ['a refresh without a cookie', 401, { method: 'POST', url: '/v1/auth/refresh' }],
  ['a login that cannot be read', 400, { method: 'POST', url: '/v1/auth/login', headers: json, payload: '{' }],
  ['a login with the wrong type', 415, { method: 'POST', url: '/v1/auth/login', payload: '{}' }],
  ['a body that is too large', 413, { method: 'POST', url: '/v1/auth/login', headers: json, payload: 'x'.repeat(2e6) }],
  ['a limit that is used up', 429, { method: 'POST', url: '/v1/auth/login', remoteAddress: '203.0.113.99' }],
  ['the start of a sign-in elsewhere', 503, { url: '/v1/auth/oauth/google/start' }],
  ['an unknown address', 404, { url: '/nope' }],
  ['a wrong method', 405, { method: 'DELETE', url: '/v1/orgs' }],
];

it.each(CLASSES)('T5: sends exactly the agreed headers with %s', async (_name, status, request) => {
  if (status === 429) for (let count = 0; count < 5; count += 1) await api.app.inject(request);
  const { statusCode, headers } = await api.app.inject(request);
  expect(statusCode).toBe(status);
  const sent = Object.fromEntries(Object.entries(headers).filter(isAboutSecurity));
  expect(sent).toEqual({ ...SECURITY_HEADERS, ...(status === 429 && { 'retry-after': expect.any(String) }) });
});

it('T5: protects answers of the router too, which pass no hook', async () => {
  const { statusCode, headers } = await api.app.inject('/%zz');
  expect(statusCode).toBe(400);
  expect(headers).toMatchObject(BARE_HEADERS);
});

it('T5: does not bind browsers to https where people come by http', async () => {
  const plain = await openTestApi({ WEB_BASE_URL: 'http://localhost:3000' });
  try {
    const { headers } = await plain.app.inject('/healthz');
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['x-content-type-options']).toBe('nosniff');
  } finally {
    await plain.close();
  }
});

it('T5: lets the reference page run its own scripts and nothing else', async () => {
  const { statusCode, headers, body } = await api.app.inject('/docs/');
  expect(statusCode).toBe(200);
  const policy = String(headers['content-security-policy']);
  const inline = [...body.matchAll(/<script(?![^>]*src=)[^>]*>([\s\S]*?)<\/script>/g)].map(([, script = '']) => script);
  const hashes = inline.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  expect(hashes).toHaveLength(1);
  expect(policy).toContain(`script-src 'self' ${hashes[0]};`);
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
  const sent = Object.fromEntries(Object.entries(headers).filter(isAboutSecurity));
  expect(sent).toEqual({ ...SECURITY_HEADERS, 'content-security-policy': policy });
  const bundle = await api.app.inject('/docs/js/scalar.js');
  expect(bundle.headers['content-security-policy']).toContain("script-src 'self';");
});

const FOREIGN_ORIGINS = [
  'null',
  '*',
  'https://app.example.com.evil.com',
  'https://evil-app.example.com',
  'https://evil.app.example.com',
  'https://app.example.com@evil.com',
  'http://app.example.com',
  `${ORIGIN}:444`,
  `${ORIGIN}:443`,
  `${ORIGIN}/`,
  `${ORIGIN}, https://evil.com`,
  ORIGIN.toUpperCase(),
  'https://appXexample.com',
  '',
];

it('T5: lets the web app read answers, and no other origin, errors included', async () => {
  for (const url of ['/healthz', '/v1/me', '/nope', '/v1/openapi.json']) {
    const allowed = await api.app.inject({ url, headers: { origin: ORIGIN } });
    expect(allowed.headers['access-control-allow-origin']).toBe(ORIGIN);
    expect(allowed.headers['access-control-allow-credentials']).toBe('true');
    expect(allowed.headers.vary).toContain('Origin');
    for (const origin of FOREIGN_ORIGINS) {
      const { headers } = await api.app.inject({ url, headers: { origin } });
      expect(headers['access-control-allow-origin'], origin).toBeUndefined();
    }
  }
});

it('T5: answers a preflight of the web app with what is allowed, and of nobody else', async () => {
  const preflight = (origin: string) =>
    api.app.inject({
      method: 'OPTIONS',
      url: '/v1/orgs',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
  const { statusCode, headers } = await preflight(ORIGIN);
  expect(statusCode).toBe(204);
  expect(headers).toMatchObject({
    'access-control-allow-origin': ORIGIN,
    'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers': 'authorization',
  });
  for (const origin of FOREIGN_ORIGINS)
    expect((await preflight(origin)).headers['access-control-allow-origin'], origin).toBeUndefined();
});

it('gives every request an id of its own and never takes the one a client sends', async () => {
  const headers = { 'x-request-id': 'mine', 'request-id': 'mine' };
  const ids = await Promise.all(
    Array.from({ length: 5 }, async () => (await api.app.inject({ url: '/healthz', headers })).headers['x-request-id']),
  );
  expect(new Set(ids).size).toBe(5);
  expect(ids).not.toContain('mine');
});
