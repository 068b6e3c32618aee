'use client';
import Link from 'next/link';
import type { ReactNode } from 'react';
import { Logo } from '../../ui/logo.tsx';
import { AccountMenu } from './account-menu.tsx';
import { SignedInOnly } from './signed-in-only.tsx';

/** A page of a signed-in person outside of any organization. */
export function PlainPage({ children }: { children: ReactNode }) {
  return (
    <SignedInOnly>
      <header className="flex h-16 items-center justify-between border-b border-line px-4 sm:px-8">
        <Link href="/home" aria-label="Millrace, home" className="rounded-lg">
          <Logo />
        </Link>
        <div className="min-w-0 max-w-56">
          <AccountMenu />
        </div>
      </header>
      <main className="mx-auto grid w-full max-w-2xl gap-8 px-4 py-10 sm:px-8">{children}</main>
    </SignedInOnly>
  );
}
