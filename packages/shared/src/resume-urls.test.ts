import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { newId } from './ids.ts';
import { readResumeToken, resumeKeyOf, resumeKeyText, resumeUrl } from './resume-urls.ts';

const key = randomBytes(32);
const step = () => ({ orgId: newId(), runId: newId(), stepKey: 'each.7.wait-1' });
const partsOf = (url: string) => url.split('/').slice(-2) as [string, string];

it('an address names its step, and only the key that made it reads it', () => {
  const waiting = step();
  const url = resumeUrl(key, 'https://a.example/', waiting);
  expect(url).toMatch(/^https:\/\/a\.example\/v1\/hooks\/resume\/[\w-]{86}\/each\.7\.wait-1$/);
  expect(readResumeToken(key, ...partsOf(url))).toEqual(waiting);
  expect(readResumeToken(randomBytes(32), ...partsOf(url))).toBeUndefined();
});

it('no change of an address leads to another step', () => {
  const [token, stepKey] = partsOf(resumeUrl(key, 'https://a.example', step()));
  const [other] = partsOf(resumeUrl(key, 'https://a.example', step()));
  const bytes = Buffer.from(token, 'base64url');
  const flipped = [...bytes].map((byte, index) => {
    const changed = Buffer.from(bytes);
    changed[index] = byte ^ 1;
    return changed.toString('base64url');
  });
  const mixed = Buffer.concat([Buffer.from(other, 'base64url').subarray(0, 32), bytes.subarray(32)]);
  const forged = [
    ...flipped,
    mixed.toString('base64url'),
    '',
    'x',
    token.slice(1),
    `${token}=`,
    `${token.slice(0, -1)}B`,
  ];
  expect(forged.filter((text) => readResumeToken(key, text, stepKey) !== undefined)).toEqual([]);
  for (const changed of ['each.8.wait-1', 'wait-1', '', `${stepKey}.`]) {
    expect(readResumeToken(key, token, changed)).toBeUndefined();
  }
});

it('a worker that knows only the derived key makes the addresses that the API reads', () => {
  const AUTH_TOKEN_SECRET = randomBytes(32).toString('hex');
  const api = resumeKeyOf({ AUTH_TOKEN_SECRET });
  expect(resumeKeyOf({ RESUME_TOKEN_KEY: resumeKeyText(AUTH_TOKEN_SECRET) })).toEqual(api);
  expect(resumeKeyText(AUTH_TOKEN_SECRET)).not.toContain(AUTH_TOKEN_SECRET);
  expect(resumeKeyOf({ AUTH_TOKEN_SECRET, RESUME_TOKEN_KEY: 'a key of its own for both programs' })).not.toEqual(api);
  expect(resumeKeyOf({})).toBeUndefined();
});
