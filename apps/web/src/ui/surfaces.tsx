import type { LucideIcon } from 'lucide-react';
import type { ComponentProps, ReactNode } from 'react';
import { cn } from './cn.ts';

export function Card({ className, ...rest }: ComponentProps<'div'>) {
  return <div {...rest} className={cn('rounded-xl border border-line bg-surface shadow-card', className)} />;
}

export function Section({ title, about, children }: { title: string; about?: ReactNode; children: ReactNode }) {
  return (
    <section className="grid gap-4">
      <div className="grid gap-1">
        <h2 className="text-base font-semibold">{title}</h2>
        {about ? <p className="max-w-2xl text-sm text-muted">{about}</p> : null}
      </div>
      {children}
    </section>
  );
}

export function PageHeader({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <header className="flex flex-wrap items-start justify-between gap-4">
      <div className="grid min-w-0 gap-1">
        <h1 className="truncate text-2xl font-semibold tracking-tight">{title}</h1>
        {about ? <div className="text-sm text-muted">{about}</div> : null}
      </div>
      {children ? <div className="flex flex-wrap items-center gap-2">{children}</div> : null}
    </header>
  );
}

interface EmptyStateProps {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
}

export function EmptyState({ icon: Icon, title, children }: EmptyStateProps) {
  return (
    <div className="grid justify-items-center gap-3 rounded-xl border border-dashed border-line-strong px-6 py-14 text-center">
      <span className="grid size-11 place-items-center rounded-xl bg-accent-soft text-accent">
        <Icon aria-hidden className="size-5" />
      </span>
      <h2 className="text-base font-semibold">{title}</h2>
      <div className="grid max-w-md justify-items-center gap-4 text-sm text-muted">{children}</div>
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cn('animate-pulse rounded-md bg-hover', className)} />;
}

const ROWS = [1, 2, 3, 4, 5, 6, 7, 8];

/** While a list is on its way; 8 rows at most. */
export function SkeletonRows({ count = 5 }: { count?: number }) {
  return (
    <div role="status" aria-label="Loading" className="grid gap-3">
      {ROWS.slice(0, count).map((row) => (
        <Skeleton key={row} className="h-14 w-full rounded-xl" />
      ))}
    </div>
  );
}

const TONES = {
  danger: 'border-danger/30 bg-danger-soft text-danger',
  warning: 'border-warning/30 bg-warning-soft text-warning',
  success: 'border-success/30 bg-success-soft text-success',
  info: 'border-accent/30 bg-accent-soft text-accent',
} as const;
export type Tone = keyof typeof TONES | 'neutral';

export function Notice({ tone = 'danger', children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  const role = tone === 'danger' ? 'alert' : 'status';
  return (
    <div role={role} className={cn('rounded-lg border px-3.5 py-2.5 text-sm', TONES[tone])}>
      {children}
    </div>
  );
}

export function Badge({
  tone = 'neutral',
  className,
  children,
}: {
  tone?: Tone;
  className?: string;
  children: ReactNode;
}) {
  const look = tone === 'neutral' ? 'border-line-strong bg-sunken text-muted' : TONES[tone];
  return (
    <span
      className={cn(
        'inline-flex items-center gap-1 rounded-full border px-2 py-0.5 text-xs font-medium whitespace-nowrap',
        look,
        className,
      )}
    >
      {children}
    </span>
  );
}
