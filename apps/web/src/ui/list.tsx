import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { cn } from './cn.ts';
import { Rows } from './rows.tsx';
import type { RowsProps } from './rows-props.ts';
import { Card } from './surfaces.tsx';

const ROW = 'flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3 sm:px-5';

/** As `List`, of any length. Each row is `relative`, so that a link in it can fill it. */
export function LongList<Item>(props: RowsProps<Item>) {
  return (
    <Card className="overflow-hidden">
      <Rows {...props} className="divide-y divide-line" rowClassName={cn(ROW, 'relative', props.rowClassName)} />
    </Card>
  );
}

/** Rows of one kind. */
export function List({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Card className="overflow-hidden">
      <ul aria-label={label} className="divide-y divide-line">
        {children}
      </ul>
    </Card>
  );
}

export function Row({ className, children }: { className?: string; children: ReactNode }) {
  return <li className={cn(ROW, className)}>{children}</li>;
}

/** The part of a row that takes the room: what it is, and below it what else is worth knowing. */
export function RowText({
  title,
  className,
  children,
}: {
  title: ReactNode;
  className?: string;
  children?: ReactNode;
}) {
  return (
    <div className={cn('grid min-w-0 flex-1 basis-52 gap-0.5', className)}>
      <div className="truncate text-sm font-medium">{title}</div>
      {children ? <div className="truncate text-[0.8125rem] text-muted">{children}</div> : null}
    </div>
  );
}

export function More({ hasMore, isBusy, onMore }: { hasMore: boolean; isBusy: boolean; onMore: () => void }) {
  if (!hasMore) return null;
  return (
    <div className="flex justify-center">
      <Button look="secondary" size="sm" isBusy={isBusy} onClick={onMore}>
        Show more
      </Button>
    </div>
  );
}
