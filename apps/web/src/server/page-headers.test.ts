import { expect, it } from 'vitest';
import { contentSecurityPolicy, pageHeaders } from './page-headers.ts';

it('a page runs no script without its nonce, loads nothing from elsewhere and is framed by nobody', () => {
  const policy = contentSecurityPolicy('abc', false);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'nonce-abc' 'strict-dynamic'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(pageHeaders(policy)).toMatchObject({ 'content-security-policy': policy, 'x-frame-options': 'DENY' });
});

it('a page that came by https loads nothing without it', () => {
  expect(contentSecurityPolicy('abc', true)).toContain('upgrade-insecure-requests');
  expect(contentSecurityPolicy('abc', false)).not.toContain('upgrade-insecure-requests');
});
