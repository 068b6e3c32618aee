'use client';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';

interface PublishDialogProps {
  isOpen: boolean;
  version: number;
  onClose: () => void;
  onPublish: (note: string) => void;
}

export function PublishDialog({ isOpen, version, onClose, onPublish }: PublishDialogProps) {
  const [note, setNote] = useState('');
  return (
    <Dialog
      title={`Publish version ${version}`}
      about="New runs use it from now on. Runs under way keep the version they started with."
      isOpen={isOpen}
      onOpenChange={(open) => (open ? undefined : onClose())}
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
          onPublish(note);
          setNote('');
        }}
      >
        <TextField
          label="Note"
          hint="Optional. What changed, for whoever reads the versions."
          maxLength={1000}
          value={note}
          onChange={({ target }) => setNote(target.value)}
        />
        <div className="flex justify-end">
          <Button type="submit">Publish</Button>
        </div>
      </form>
    </Dialog>
  );
}
