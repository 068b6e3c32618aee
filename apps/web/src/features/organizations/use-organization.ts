'use client';
import { useContext, useEffect, useMemo } from 'react';
import { rememberOrganization } from '../shell/last-organization.ts';
import { useMe } from '../shell/use-me.ts';
import { accessOf, type OrganizationAccess } from './access.ts';
import { OrganizationContext } from './organization-context.tsx';

/** The organization of the page. Throws outside of one. */
export function useOrganization(): OrganizationAccess {
  const access = useContext(OrganizationContext);
  if (!access) throw new Error('this part belongs below an OrganizationProvider');
  return access;
}

/** The organization with this slug as the signed-in person sees it; `isStranger` when they are not in it. */
export function useOrganizationBySlug(slug: string) {
  const { data, error, refetch } = useMe();
  const membership = data?.memberships.find(({ organization }) => organization.slug === slug);
  const access = useMemo(
    () => (membership && data ? accessOf(membership.organization, membership.roleKey, data.user.id) : undefined),
    [membership, data],
  );
  useEffect(() => {
    if (access) rememberOrganization(slug);
  }, [access, slug]);
  return { access, error, refetch, isStranger: data !== undefined && !access };
}
