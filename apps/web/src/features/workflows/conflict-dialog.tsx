'use client';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { useConflict } from './use-conflict.ts';
import type { useDraft } from './use-draft.ts';

export function ConflictDialog({ draft }: { draft: ReturnType<typeof useDraft> }) {
  const { takeTheirs, keepMine } = useConflict(draft);
  return (
    <Dialog
      title="Somebody else saved meanwhile"
      about="What you typed is still in the editor and nothing is lost yet. Choose which of the two stays."
      isOpen={draft.conflict}
      onOpenChange={(open) => (open ? undefined : draft.settle())}
    >
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="danger" isBusy={takeTheirs.isBusy} onClick={() => takeTheirs.start()}>
          Discard mine, show theirs
        </Button>
        <Button isBusy={keepMine.isBusy} onClick={() => keepMine.start()}>
          Save mine over theirs
        </Button>
      </div>
    </Dialog>
  );
}
