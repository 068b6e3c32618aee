'use client';
import { Button } from '../../ui/button.tsx';
import { CopyText } from '../../ui/copy-text.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Notice } from '../../ui/surfaces.tsx';

export function NoticeSecret({ secret, onClose }: { secret: string | undefined; onClose: () => void }) {
  return (
    <Dialog
      title="Signing secret"
      about="Your program checks with it that a notice is from here."
      isOpen={secret !== undefined}
      onOpenChange={onClose}
    >
      <Notice tone="warning">Copy it now: it is not shown again. A secret from before no longer signs.</Notice>
      <CopyText label="signing secret" text={secret ?? ''} />
      <div className="flex justify-end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </Dialog>
  );
}
