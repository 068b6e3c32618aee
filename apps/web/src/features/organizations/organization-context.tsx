'use client';
import { createContext, type ReactNode } from 'react';
import type { OrganizationAccess } from './access.ts';

export const OrganizationContext = createContext<OrganizationAccess | null>(null);

export function OrganizationProvider({ access, children }: { access: OrganizationAccess; children: ReactNode }) {
  return <OrganizationContext value={access}>{children}</OrganizationContext>;
}
