'use client';
import { Check, CloudOff, LoaderCircle, TriangleAlert } from 'lucide-react';
import { Badge } from '../../ui/surfaces.tsx';
import type { SaveStatus } from './autosave.ts';
import { useEditorTools } from './editor-context.tsx';

const WORDS: Record<SaveStatus, string> = {
  saved: 'Saved',
  waiting: 'Saving…',
  saving: 'Saving…',
  conflict: 'Not saved: somebody else did',
  failed: 'Not saved',
};
const ICONS = { saved: Check, waiting: LoaderCircle, saving: LoaderCircle, conflict: TriangleAlert, failed: CloudOff };

export function SavedState({ isReadOnly }: { isReadOnly: boolean }) {
  const { saving, store } = useEditorTools();
  const { status, message } = saving.state;
  if (isReadOnly) return <Badge>View only</Badge>;
  const Icon = ICONS[status];
  return (
    <span role="status" title={message ?? undefined} className="flex items-center gap-1 text-xs text-muted">
      <Icon aria-hidden className="size-3.5" />
      {WORDS[status]}
      {status === 'conflict' ? (
        <button
          type="button"
          className="rounded underline hover:text-ink"
          onClick={() => store.session({ type: 'settle', isOpen: true })}
        >
          Settle
        </button>
      ) : null}
    </span>
  );
}
