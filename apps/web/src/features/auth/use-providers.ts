'use client';
import { listSignInProviders, startOAuth } from '@millrace/shared/contracts/auth';
import { useQuery } from '@tanstack/react-query';
import { addressOf, callApi } from '../../lib/call-api.ts';
import { PROVIDER_NAMES } from './provider-names.ts';

/** The providers this server is set up for. */
export function useConfiguredProviders() {
  return useQuery({
    queryKey: ['sign-in-providers'],
    queryFn: () => callApi(listSignInProviders, {}),
    staleTime: Number.POSITIVE_INFINITY,
    select: ({ providers }) => providers,
  });
}

/** The same, each with the address that begins a sign-in there. None while it is not known. */
export function useProviders(returnTo: string) {
  const { data } = useConfiguredProviders();
  return (data ?? []).map((provider) => ({
    provider,
    name: PROVIDER_NAMES[provider],
    href: addressOf(startOAuth, { params: { provider }, query: { returnTo } }),
  }));
}
