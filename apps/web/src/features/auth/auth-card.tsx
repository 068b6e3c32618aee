import Link from 'next/link';
import type { ReactNode } from 'react';
import { Logo } from '../../ui/logo.tsx';
import { Card } from '../../ui/surfaces.tsx';

interface AuthCardProps {
  title: string;
  about?: ReactNode;
  footer?: ReactNode;
  children: ReactNode;
}

/** One thing to do, in the middle of the page. */
export function AuthCard({ title, about, footer, children }: AuthCardProps) {
  return (
    <div className="flex min-h-dvh flex-col items-center px-4 py-10 sm:pt-[12vh]">
      <Link href="/" aria-label="Millrace, start page" className="mb-8 rounded-lg">
        <Logo className="text-lg" />
      </Link>
      <main className="w-full max-w-105">
        <Card className="grid gap-6 p-6 sm:p-8">
          <div className="grid gap-1.5">
            <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
            {about ? <p className="text-sm text-muted">{about}</p> : null}
          </div>
          {children}
        </Card>
        {footer ? <p className="mt-6 text-center text-sm text-muted">{footer}</p> : null}
      </main>
    </div>
  );
}

export function TextLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} className="rounded-sm font-medium text-accent underline-offset-4 hover:underline">
      {children}
    </Link>
  );
}
