'use client';
import { LogOut, Monitor, Moon, Sun, UserRound } from 'lucide-react';
import Link from 'next/link';
import { useSession } from '../../lib/use-session.ts';
import { Menu, MenuItem, MenuLabel, MenuSeparator } from '../../ui/menu.tsx';
import { chooseTheme } from './theme.ts';
import { useSignOut } from './use-sign-out.ts';

export function AccountMenu() {
  const session = useSession();
  const signOut = useSignOut();
  if (session.status !== 'signed-in') return null;
  const { email, displayName } = session.user;
  return (
    <Menu
      trigger={
        <button
          type="button"
          className="flex w-full min-w-0 items-center gap-2.5 rounded-lg px-2 py-1.5 text-left text-sm hover:bg-hover"
        >
          <span className="sr-only">Account menu</span>
          <span
            aria-hidden
            className="grid size-7 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent uppercase"
          >
            {(displayName ?? email).slice(0, 1)}
          </span>
          <span className="truncate">{displayName ?? email}</span>
        </button>
      }
    >
      <MenuLabel>{email}</MenuLabel>
      <MenuItem asChild>
        <Link href="/account">
          <UserRound aria-hidden /> Your account
        </Link>
      </MenuItem>
      <MenuSeparator />
      <MenuItem onSelect={() => chooseTheme('light')}>
        <Sun aria-hidden /> Light
      </MenuItem>
      <MenuItem onSelect={() => chooseTheme('dark')}>
        <Moon aria-hidden /> Dark
      </MenuItem>
      <MenuItem onSelect={() => chooseTheme('system')}>
        <Monitor aria-hidden /> As the system
      </MenuItem>
      <MenuSeparator />
      <MenuItem onSelect={signOut}>
        <LogOut aria-hidden /> Sign out
      </MenuItem>
    </Menu>
  );
}
