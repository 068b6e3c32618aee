import { expect, test } from 'vitest';
import { toActionError } from './network-errors.ts';

test.each([
  ['connect', 'ETIMEDOUT', 'TIMEOUT', 'api.test did not accept a connection in time.'],
  ['connect', 'EHOSTUNREACH', 'NETWORK', 'There is no route to api.test (EHOSTUNREACH).'],
  ['read', 'ETIMEDOUT', 'NETWORK', 'The connection to api.test broke before the whole answer arrived (ETIMEDOUT).'],
  [
    'write',
    'ENETUNREACH',
    'NETWORK',
    'The connection to api.test broke before the whole answer arrived (ENETUNREACH).',
  ],
])('%s %s says whether a connection stood', (syscall, code, expected, message) => {
  const failed = Object.assign(new Error('it failed'), { code, syscall });
  for (const error of [failed, new Error('wrapped', { cause: failed })])
    expect(toActionError(error, 'api.test')).toMatchObject({ code: expected, message, retryable: true });
});
