'use client';
import { useDiffView } from './use-diff-view.ts';

interface DiffViewProps {
  label: string;
  before: string;
  after: string;
}

/** Two texts in one, with what was removed and what was added. */
export function DiffView({ label, before, after }: DiffViewProps) {
  const parent = useDiffView({ label, before, after });
  return <div ref={parent} className="diff-view overflow-hidden rounded-lg border border-line bg-surface" />;
}
