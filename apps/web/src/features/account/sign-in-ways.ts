import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import type { listIdentities } from '@millrace/shared/contracts/identities';
import type { ApiAnswer } from '../../lib/call-api.ts';

type Identity = ApiAnswer<typeof listIdentities>['identities'][number];

export interface SignInWay {
  provider: OAuthProvider;
  /** Null: not linked, but it could be. */
  identity: Identity | null;
}

/** What somebody signs in with at a provider, then what else they could link here. */
export function signInWays(identities: readonly Identity[], configured: readonly OAuthProvider[]): SignInWay[] {
  const linked = identities.map((identity) => ({ provider: identity.provider, identity }));
  const others = configured.filter((provider) => !identities.some((identity) => identity.provider === provider));
  return [...linked, ...others.map((provider) => ({ provider, identity: null }))];
}
