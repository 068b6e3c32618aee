'use client';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { useInvite } from './use-members.ts';

interface InviteDialogProps {
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
}

export function InviteDialog({ isOpen, onOpenChange }: InviteDialogProps) {
  return (
    <Dialog
      title="Invite somebody"
      about="They get a mail with a link. It works for this address alone, and once."
      isOpen={isOpen}
      onOpenChange={onOpenChange}
    >
      <InviteForm onDone={() => onOpenChange(false)} />
    </Dialog>
  );
}

function InviteForm({ onDone }: { onDone: () => void }) {
  const { form, submit, failure, problemOf, isSending } = useInvite(onDone);
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      {failure ? <Notice>{failure}</Notice> : null}
      <TextField
        label="E-mail address"
        type="email"
        autoComplete="off"
        problem={problemOf('email')}
        {...form.register('email')}
      />
      <SelectField label="Role" problem={problemOf('roleKey')} {...form.register('roleKey')}>
        <option value="member">Member: reads and runs</option>
        <option value="admin">Admin: also builds, publishes and invites</option>
      </SelectField>
      <div className="flex justify-end">
        <Button type="submit" isBusy={isSending}>
          Send invitation
        </Button>
      </div>
    </form>
  );
}
