'use client';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { linkIdentity, listIdentities, unlinkIdentity } from '@millrace/shared/contracts/identities';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { PROVIDER_NAMES } from '../auth/provider-names.ts';
import { useConfiguredProviders } from '../auth/use-providers.ts';
import { signInWays } from './sign-in-ways.ts';

const IDENTITIES = ['identities'];

/** The providers of the signed-in person. `ways` is undefined while they are not known. */
export function useIdentities() {
  const configured = useConfiguredProviders();
  const identities = useQuery({
    queryKey: IDENTITIES,
    queryFn: ({ signal }) => callApi(listIdentities, { signal }),
    select: (answer) => answer.identities,
  });
  const link = useAction({
    run: async (provider: OAuthProvider) => {
      const query = { returnTo: '/account' };
      const { authorizationUrl } = await callApi(linkIdentity, { params: { provider }, query });
      window.location.assign(authorizationUrl);
    },
  });
  const unlink = useAction({
    run: (provider: OAuthProvider) => callApi(unlinkIdentity, { params: { provider } }),
    changes: [IDENTITIES],
    done: (_, provider) => `${PROVIDER_NAMES[provider]} is unlinked.`,
  });
  const isKnown = identities.data && configured.data;
  return {
    ways: isKnown ? signInWays(identities.data, configured.data) : undefined,
    error: isKnown ? null : (identities.error ?? configured.error),
    retry: () => void Promise.all([identities.refetch(), configured.refetch()]),
    link,
    unlink,
  };
}
