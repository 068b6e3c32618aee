import { z } from 'zod';
import { OAuthProvider, OAuthStart, ProviderParams, ReturnTo } from './auth.ts';
import { Done, defineContract, Time } from './contract.ts';

const Identity = z
  .object({ provider: OAuthProvider, email: z.string(), createdAt: Time, lastUsedAt: Time })
  .meta({ id: 'Identity' });

export const listIdentities = defineContract({
  id: 'listIdentities',
  method: 'GET',
  path: '/v1/me/identities',
  summary: 'The providers the caller can sign in with',
  tag: 'Me',
  auth: 'session',
  status: 200,
  response: z.object({ identities: z.array(Identity) }),
});

export const linkIdentity = defineContract({
  id: 'linkIdentity',
  method: 'POST',
  path: '/v1/me/identities/:provider/link',
  summary: "Begin to link a provider to the caller's account; the callback of the sign-in finishes it",
  tag: 'Me',
  auth: 'session',
  params: ProviderParams,
  query: z.strictObject({ returnTo: ReturnTo }),
  status: 200,
  response: OAuthStart,
  errors: ['OAUTH_PROVIDER_NOT_CONFIGURED', 'OAUTH_EXCHANGE_FAILED', 'RATE_LIMITED'],
});

export const unlinkIdentity = defineContract({
  id: 'unlinkIdentity',
  method: 'DELETE',
  path: '/v1/me/identities/:provider',
  summary: 'Stop signing in with this provider; refused while it is the only way in',
  tag: 'Me',
  auth: 'session',
  params: ProviderParams,
  status: 200,
  response: Done,
  errors: ['NOT_FOUND'],
});
