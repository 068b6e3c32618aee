'use client';
import { DropdownMenu as Radix } from 'radix-ui';
import type { ComponentProps, ReactNode } from 'react';
import { cn } from './cn.ts';

interface FrameProps {
  trigger: ReactNode;
  align: 'start' | 'end';
  children: ReactNode;
}

/** `trigger` is one button; arrow keys, Escape and first letters work as in any menu. */
export function Frame({ trigger, align, children }: FrameProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 min-w-52 rounded-xl border border-line bg-raised p-1.5 text-sm shadow-float"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

const ITEM =
  'flex items-center gap-2.5 rounded-lg px-2.5 py-2 outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover [&_svg]:size-4 [&_svg]:text-muted';

export function Item({ className, isDanger, ...rest }: ComponentProps<typeof Radix.Item> & { isDanger?: boolean }) {
  return <Radix.Item {...rest} className={cn(ITEM, isDanger && 'text-danger [&_svg]:text-danger', className)} />;
}

export function Label({ children }: { children: ReactNode }) {
  return <Radix.Label className="px-2.5 pt-2 pb-1 text-xs font-medium text-muted">{children}</Radix.Label>;
}

export function Separator() {
  return <Radix.Separator className="my-1.5 h-px bg-line" />;
}
