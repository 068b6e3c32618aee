import type { ReactNode } from 'react';

/** A part of the panel under a heading. */
export function PanelSection({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section
      aria-label={title}
      className="grid grid-cols-[minmax(0,1fr)] gap-4 border-b border-line px-4 py-4 last:border-b-0"
    >
      <h2 className="text-xs font-semibold tracking-wide text-muted uppercase">{title}</h2>
      {children}
    </section>
  );
}

interface FoldedSectionProps {
  title: string;
  /** Something in it is asked for. */
  isOpen: boolean;
  children: ReactNode;
}

/** A part that most people do not need. */
export function FoldedSection({ title, isOpen, children }: FoldedSectionProps) {
  return (
    <details open={isOpen || undefined} className="group border-b border-line px-4 py-3 last:border-b-0">
      <summary className="cursor-pointer text-xs font-semibold tracking-wide text-muted uppercase">{title}</summary>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 pt-4 pb-1">{children}</div>
    </details>
  );
}
