'use client';
import { listSignInProviders, type OAuthProvider, startOAuth } from '@millrace/shared/contracts/auth';
import { useQuery } from '@tanstack/react-query';
import { addressOf, callApi } from '../../lib/call-api.ts';

const NAMES: Record<OAuthProvider, string> = { google: 'Google', github: 'GitHub' };

/** The providers this server is set up for, each with the address that begins a sign-in there. None while it is not known. */
export function useProviders(returnTo: string) {
  const { data } = useQuery({
    queryKey: ['sign-in-providers'],
    queryFn: () => callApi(listSignInProviders, {}),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (data?.providers ?? []).map((provider) => ({
    provider,
    name: NAMES[provider],
    href: addressOf(startOAuth, { params: { provider }, query: { returnTo } }),
  }));
}
