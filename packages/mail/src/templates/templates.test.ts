import { describe, expect, it } from 'vitest';
import type { MailContent } from '../mailer.ts';
import { identityLinkedMail } from './identity-linked.ts';
import { invitationMail } from './invitation.ts';
import { passwordChangedMail } from './password-changed.ts';
import { resetPasswordMail } from './reset-password.ts';
import { runFailedMail } from './run-failed.ts';
import { verifyEmailMail } from './verify-email.ts';

const EVIL = `<script>alert("1")</script>&'\r\n\r\nBcc: eve@example.com\u2028\u202eevil`;
const date = new Date('2026-01-02T03:04:05.000Z');
const url = 'https://millrace.example.com/page#token=abc_DEF-123';

/** Every template, with the same text in each place that a person or a server can fill. */
const templates: Record<string, (name: string) => MailContent> = {
  invitation: (name) =>
    invitationMail({ organizationName: name, inviter: name, roleKey: 'member', email: 'a@b.co', expiresAt: date, url }),
  'verify-email': () => verifyEmailMail({ email: 'a@b.co', expiresAt: date, url }),
  'reset-password': () => resetPasswordMail({ email: 'a@b.co', expiresAt: date, url }),
  'password-changed': () =>
    passwordChangedMail({ email: 'a@b.co', changedAt: date, providers: ['Google', 'GitHub'], url }),
  'identity-linked': () =>
    identityLinkedMail({ email: 'a@b.co', provider: 'GitHub', providerEmail: 'b@b.co', linkedAt: date, url }),
  'run-failed': (name) =>
    runFailedMail({
      organizationName: name,
      workflowName: name,
      failedCount: 3,
      errorCode: 'X',
      errorMessage: name,
      url,
    }),
};

describe.each(Object.entries(templates))('%s', (_name, write) => {
  it('says the same as text and as HTML, with the link whole in both', () => {
    const { subject, text, html } = write('Acme');
    expect(subject).not.toBe('');
    expect(text).toContain(`\n${url}\n`);
    expect(html).toContain(`href="${url}"`);
    expect(html).toContain(`>${url}<`);
    const said = html.replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, ' ').replace(/\s+/g, ' ');
    for (const line of text.split('\n').filter((candidate) => /^[A-Z].*\.$/.test(candidate)))
      expect(said).toContain(line);
  });

  it('escapes what it is given and keeps it on one line', () => {
    const { subject, text, html } = write(EVIL);
    expect(subject).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
    expect(html).not.toMatch(/<script|alert\("1"\)|\u202e/);
    expect(text).not.toMatch(/^Bcc:/m);
    expect(text).not.toContain('\u202e');
  });

  it('holds no script, no picture and no style sheet to fetch', () => {
    expect(write('Acme').html).not.toMatch(/<(script|img|link|iframe)|url\(|https?:\/\/(?!millrace\.example\.com)/);
  });
});

it('cuts a subject and a message that are far too long', () => {
  const { subject, text } = templates['run-failed']?.('x'.repeat(5000)) ?? { subject: '', text: '' };
  expect([...subject].length).toBeLessThanOrEqual(150);
  expect(text.length).toBeLessThan(16_000);
  expect(text).toContain('x…');
});

it('names who can sign in without the password that was changed, and says nothing when nobody can', () => {
  const write = (providers: string[]) =>
    passwordChangedMail({ email: 'a@b.co', changedAt: date, providers, url }).text.match(/Signing in with .*/)?.[0];
  expect(write(['Google', 'GitHub'])).toBe(
    'Signing in with Google and GitHub still works; unlink what you do not know.',
  );
  expect(write([])).toBeUndefined();
});

it('counts failed runs in words', () => {
  const write = (failedCount: number) =>
    runFailedMail({ organizationName: 'O', workflowName: 'W', failedCount, errorCode: 'X', errorMessage: 'Y', url })
      .subject;
  expect([write(1), write(12)]).toEqual(['A run of “W” failed', '12 runs of “W” failed']);
});
