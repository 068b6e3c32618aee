'use client';
import { useRouter } from 'next/navigation';
import { useEffect } from 'react';
import { hasMailedToken } from '../../lib/mailed-token.ts';
import { chooseOrganization } from '../shell/last-organization.ts';
import { useMe } from '../shell/use-me.ts';

/** Sends a person on: to an invitation they came with, their organization, or making the first one. */
export function useHome() {
  const router = useRouter();
  const { data, error, refetch } = useMe();
  useEffect(() => {
    if (!data) return;
    if (hasMailedToken('invitation')) return router.replace('/accept-invitation');
    const slug = chooseOrganization(data.memberships.map(({ organization }) => organization.slug));
    router.replace(slug ? `/orgs/${slug}/workflows` : '/new-organization');
  }, [data, router]);
  return { error, refetch };
}
