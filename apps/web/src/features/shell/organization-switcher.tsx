'use client';
import { Check, ChevronsUpDown, Plus } from 'lucide-react';
import Link from 'next/link';
import { Menu, MenuItem, MenuLabel, MenuSeparator } from '../../ui/menu.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { useMe } from './use-me.ts';

export function OrganizationSwitcher() {
  const { organization } = useOrganization();
  const { data } = useMe();
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex w-full min-w-0 items-center gap-2.5 rounded-lg border border-line bg-surface px-2.5 py-2 text-left shadow-card hover:bg-hover"
        >
          <span className="sr-only">Organization:</span>
          <span
            aria-hidden
            className="grid size-7 shrink-0 place-items-center rounded-md bg-accent text-xs font-semibold text-on-accent uppercase"
          >
            {organization.name.slice(0, 1)}
          </span>
          <span className="flex-1 truncate text-sm font-medium">{organization.name}</span>
          <ChevronsUpDown aria-hidden className="size-4 shrink-0 text-muted" />
        </button>
      }
    >
      <MenuLabel>Your organizations</MenuLabel>
      {data?.memberships.map(({ organization: other, roleKey }) => (
        <MenuItem key={other.id} asChild>
          <Link href={`/orgs/${other.slug}/workflows`}>
            <span className="flex-1 truncate">{other.name}</span>
            <span className="text-xs text-muted">{roleKey}</span>
            {other.id === organization.id ? <Check aria-label="current" /> : null}
          </Link>
        </MenuItem>
      ))}
      <MenuSeparator />
      <MenuItem asChild>
        <Link href="/new-organization">
          <Plus aria-hidden /> New organization
        </Link>
      </MenuItem>
    </Menu>
  );
}
