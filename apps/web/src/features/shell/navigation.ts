import type { Permission } from '@millrace/shared/permissions';
import { Activity, Braces, KeyRound, type LucideIcon, ScrollText, Settings, Users, Workflow } from 'lucide-react';
import type { OrganizationAccess } from '../organizations/access.ts';

interface Place {
  label: string;
  path: `/${string}`;
  icon: LucideIcon;
  permission: Permission;
}

const PLACES: Place[] = [
  { label: 'Workflows', path: '/workflows', icon: Workflow, permission: 'workflow:read' },
  { label: 'Runs', path: '/runs', icon: Activity, permission: 'run:read' },
  { label: 'Variables', path: '/variables', icon: Braces, permission: 'variable:read' },
  { label: 'Members', path: '/members', icon: Users, permission: 'member:read' },
  { label: 'API keys', path: '/api-keys', icon: KeyRound, permission: 'api-key:read' },
  { label: 'Audit log', path: '/audit', icon: ScrollText, permission: 'audit:read' },
  { label: 'Settings', path: '/settings', icon: Settings, permission: 'org:read' },
];

/** Where a role may go, and where it is now. */
export function placesFor(access: OrganizationAccess, pathname: string) {
  return PLACES.filter(({ permission }) => access.can(permission)).map(({ label, path, icon }) => {
    const href = access.path(path);
    return { label, href, icon, isCurrent: pathname === href || pathname.startsWith(`${href}/`) };
  });
}
