'use client';
import { Menu as MenuIcon } from 'lucide-react';
import Link from 'next/link';
import { usePathname } from 'next/navigation';
import { type ReactNode, useState } from 'react';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { cn } from '../../ui/cn.ts';
import { Failure } from '../../ui/failure.tsx';
import { Logo } from '../../ui/logo.tsx';
import { SkeletonRows } from '../../ui/surfaces.tsx';
import { OrganizationProvider } from '../organizations/organization-context.tsx';
import { useOrganization, useOrganizationBySlug } from '../organizations/use-organization.ts';
import { AccountMenu } from './account-menu.tsx';
import { placesFor } from './navigation.ts';
import { OrganizationSwitcher } from './organization-switcher.tsx';
import { SignedInOnly } from './signed-in-only.tsx';

/** Everything of one organization, with the way between its pages. */
export function Workspace({ slug, children }: { slug: string; children: ReactNode }) {
  return (
    <SignedInOnly>
      <Membership slug={slug}>{children}</Membership>
    </SignedInOnly>
  );
}

function Membership({ slug, children }: { slug: string; children: ReactNode }) {
  const { access, error, refetch, isStranger } = useOrganizationBySlug(slug);
  if (access)
    return (
      <OrganizationProvider access={access}>
        <Frame>{children}</Frame>
      </OrganizationProvider>
    );
  return (
    <main className="mx-auto grid min-h-dvh w-full max-w-lg content-center gap-4 px-4">
      {isStranger ? (
        <>
          <h1 className="text-xl font-semibold">You are not a member of this organization</h1>
          <p className="text-sm text-muted">Ask somebody in it for an invitation, or go to one of yours.</p>
          <div>
            <ButtonLink href="/home">To your organizations</ButtonLink>
          </div>
        </>
      ) : null}
      {error ? <Failure error={error} onRetry={refetch} /> : null}
      {!isStranger && !error ? <SkeletonRows count={3} /> : null}
    </main>
  );
}

function Frame({ children }: { children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[15.5rem_1fr]">
      <a
        href="#content"
        className="sr-only rounded-lg bg-accent px-3 py-2 text-sm text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50"
      >
        Skip to content
      </a>
      <header className="flex h-14 items-center justify-between border-b border-line bg-page px-4 md:hidden">
        <Link href="/home" aria-label="Millrace, home">
          <Logo />
        </Link>
        <Button
          look="ghost"
          size="icon"
          aria-label="Navigation"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          <MenuIcon aria-hidden />
        </Button>
      </header>
      <aside
        className={cn(
          'flex-col gap-5 border-line bg-page p-4 max-md:border-b md:sticky md:top-0 md:flex md:h-dvh md:border-r',
          isOpen ? 'flex' : 'hidden',
        )}
      >
        <Link href="/home" aria-label="Millrace, home" className="hidden px-1 pt-1 md:block">
          <Logo />
        </Link>
        <OrganizationSwitcher />
        <Places onGo={() => setOpen(false)} />
        <div className="mt-auto">
          <AccountMenu />
        </div>
      </aside>
      <main
        id="content"
        tabIndex={-1}
        className="grid min-w-0 content-start gap-6 px-4 py-8 outline-none sm:px-8 lg:px-12"
      >
        {children}
      </main>
    </div>
  );
}

function Places({ onGo }: { onGo: () => void }) {
  const pathname = usePathname();
  const access = useOrganization();
  return (
    <nav aria-label="Organization" className="grid gap-0.5">
      {placesFor(access, pathname).map(({ label, href, icon: Icon, isCurrent }) => (
        <Link
          key={href}
          href={href}
          onClick={onGo}
          aria-current={isCurrent ? 'page' : undefined}
          className={cn(
            'flex items-center gap-2.5 rounded-lg px-2.5 py-2 text-sm text-muted hover:bg-hover hover:text-ink',
            isCurrent && 'bg-hover font-medium text-ink',
          )}
        >
          <Icon aria-hidden className={cn('size-4', isCurrent && 'text-accent')} />
          {label}
        </Link>
      ))}
    </nav>
  );
}
