import { LoaderCircle } from 'lucide-react';
import Link from 'next/link';
import type { ComponentProps } from 'react';
import { cn } from './cn.ts';

const BASE =
  'inline-flex shrink-0 items-center justify-center gap-2 rounded-lg font-medium whitespace-nowrap transition-colors disabled:opacity-60 [&_svg]:size-4';
const LOOKS = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover',
  secondary: 'border border-line-strong bg-surface text-ink hover:bg-hover',
  ghost: 'text-muted hover:bg-hover hover:text-ink',
  danger: 'border border-line-strong bg-surface text-danger hover:bg-danger-soft',
} as const;
const SIZES = { md: 'h-10 px-4 text-sm', sm: 'h-8 px-3 text-[0.8125rem]', icon: 'size-9' } as const;

export interface ButtonLook {
  look?: keyof typeof LOOKS;
  size?: keyof typeof SIZES;
}

export function buttonClasses({ look = 'primary', size = 'md' }: ButtonLook, className?: string): string {
  return cn(BASE, LOOKS[look], SIZES[size], className);
}

/** `isBusy` shows that it was pressed and keeps it from being pressed twice. */
export function Button({
  look,
  size,
  isBusy,
  className,
  children,
  disabled,
  ...rest
}: ComponentProps<'button'> & ButtonLook & { isBusy?: boolean }) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || isBusy}
      aria-busy={isBusy || undefined}
      className={buttonClasses({ look, size }, className)}
    >
      {isBusy ? <LoaderCircle aria-hidden className="animate-spin" /> : null}
      {children}
    </button>
  );
}

export function ButtonLink({ look, size, className, ...rest }: ComponentProps<typeof Link> & ButtonLook) {
  return <Link {...rest} className={buttonClasses({ look, size }, className)} />;
}
