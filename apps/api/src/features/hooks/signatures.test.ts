import type { WebhookSignature } from '@millrace/workflow/triggers/webhook';
import { describe, expect, it } from 'vitest';
import { refuseSignature, type SignedRequest } from './signatures.ts';
import { signAs } from './testing.ts';

const NOW = 1_800_000_000;
const BODY = '{"order": 1}';
const SCHEMES = ['standard-webhooks', 'stripe', 'slack', 'github', 'hmac', 'basic'] as const;
const TIMED = ['standard-webhooks', 'stripe', 'slack'] as const;
const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

const refuse = (
  signature: WebhookSignature,
  headers: SignedRequest['headers'],
  { body = BODY, secret = SECRET, now = NOW } = {},
) => refuseSignature(signature, secret, { headers, body: Buffer.from(body) }, now);

describe('the examples that senders publish', () => {
  it('of GitHub', () => {
    const sha = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const headers = { 'x-hub-signature-256': `sha256=${sha}` };
    const secret = "It's a Secret to Everybody";
    expect(refuse({ scheme: 'github' }, headers, { secret, body: 'Hello, World!' })).toBeUndefined();
  });

  it('of Slack', () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const headers = {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    };
    const secret = '8f742231b10e8888abcd99yyyzzz85a5';
    expect(refuse({ scheme: 'slack' }, headers, { secret, body, now: 1531420618 })).toBeUndefined();
  });

  it('of Standard Webhooks', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const options = { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', body: '{"test": 2432232314}', now: 1614265330 };
    expect(refuse({ scheme: 'standard-webhooks' }, headers, options)).toBeUndefined();
  });
});

describe.each(SCHEMES)('%s', (scheme) => {
  const signed = (more: Parameters<typeof signAs>[3] = {}) => signAs(scheme, SECRET, BODY, { at: NOW, ...more });

  it('accepts what was signed with the secret', () => {
    expect(refuse({ scheme }, signed())).toBeUndefined();
  });

  it('refuses another secret, no secret, and no proof at all', () => {
    const other = signAs(scheme, SECRET.replace(/.{4}$/, 'AAAA'), BODY, { at: NOW });
    expect(refuse({ scheme }, other)).toBe('wrong_signature');
    expect(refuseSignature({ scheme }, undefined, { headers: signed(), body: Buffer.from(BODY) }, NOW)).toBe(
      'no_secret',
    );
    expect(refuse({ scheme }, {})).toBe('no_signature');
  });

  it('refuses a body of which one byte was changed, unless the scheme signs none', () => {
    const refusal = refuse({ scheme }, signed(), { body: BODY.replace('1', '2') });
    expect(refusal).toBe(scheme === 'basic' ? undefined : 'wrong_signature');
  });

  it('refuses a proof that was cut off or emptied', () => {
    const headers = signed();
    const name = Object.keys(headers).find((key) => /signature|authorization/.test(key)) ?? '';
    const value = headers[name]?.replace(/,v0=.*/, '') ?? '';
    for (let length = 0; length < value.length - 1; length += 1) {
      const refusal = refuse({ scheme }, { ...headers, [name]: value.slice(0, length) });
      expect(refusal, value.slice(0, length)).toMatch(/^(wrong|no)_signature$/);
    }
  });
});

describe.each(TIMED)('%s', (scheme) => {
  const at = (time: number, toleranceSec?: number) =>
    refuse({ scheme, ...(toleranceSec && { toleranceSec }) }, signAs(scheme, SECRET, BODY, { at: time }));

  it('refuses times more than the tolerance away, which is five minutes unless said otherwise', () => {
    expect([at(NOW - 300), at(NOW + 300), at(NOW - 60, 60)]).toEqual([undefined, undefined, undefined]);
    expect([at(NOW - 301), at(NOW + 301), at(NOW - 61, 60)]).toEqual(['wrong_time', 'wrong_time', 'wrong_time']);
  });

  it('refuses a time that is no number, though it was signed', () => {
    for (const time of ['', 'now', '1e99', '-1', '0x1', 'NaN', '9'.repeat(400)])
      expect(refuse({ scheme }, signAs(scheme, SECRET, BODY, { at: time as unknown as number })), time).toBeDefined();
  });
});

it('takes one of several signatures, as a sender gives while it changes its secret', () => {
  const [good, bad] = [signAs('standard-webhooks', SECRET, BODY, { at: NOW, id: 'm' }), 'v1,AAAA'];
  const both = { ...good, 'webhook-signature': `${bad} v1a,xx ${good['webhook-signature']}` };
  expect(refuse({ scheme: 'standard-webhooks' }, both)).toBeUndefined();
  expect(refuse({ scheme: 'standard-webhooks' }, { ...good, 'webhook-signature': `${bad} ${bad}` })).toBe(
    'wrong_signature',
  );
});

it('never takes an empty or short key for a Standard Webhooks secret', () => {
  for (const secret of ['whsec_', 'whsec_!!!!!!!!', '********', `whsec_${Buffer.alloc(15).toString('base64')}`]) {
    const headers = signAs('standard-webhooks', secret, BODY, { at: NOW });
    expect(refuse({ scheme: 'standard-webhooks' }, headers, { secret }), secret).toBe('no_secret');
  }
});

it('reads a plain HMAC as hex or base64, with or without its name, from the header that the trigger says', () => {
  const hex = signAs('hmac', SECRET, BODY)['x-signature'] ?? '';
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  for (const value of [hex, hex.toUpperCase(), `sha256=${hex}`, base64]) {
    expect(refuse({ scheme: 'hmac', header: 'X-Shop-Hmac' }, { 'x-shop-hmac': value })).toBeUndefined();
    expect(refuse({ scheme: 'hmac' }, { 'x-shop-hmac': value })).toBe('no_signature');
  }
});
