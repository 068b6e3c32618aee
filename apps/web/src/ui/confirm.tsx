'use client';
import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { Notice } from './surfaces.tsx';

interface ConfirmProps {
  title: string;
  about: ReactNode;
  /** What the button does, as "Remove member". */
  action: string;
  isOpen: boolean;
  isBusy: boolean;
  failure?: string | undefined;
  onConfirm: () => void;
  onClose: () => void;
}

/** Before something that cannot be undone. */
export function Confirm({ title, about, action, isOpen, isBusy, failure, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog title={title} about={about} isOpen={isOpen} onOpenChange={(open) => (open ? undefined : onClose())}>
      {failure ? <Notice>{failure}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="secondary" onClick={onClose}>
          Keep it
        </Button>
        <Button look="danger" isBusy={isBusy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
