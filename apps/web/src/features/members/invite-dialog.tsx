'use client';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
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
  const invite = useInvite(onDone);
  const { form, problemOf } = invite;
  return (
    <Form of={invite} action="Send invitation" button="end">
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
    </Form>
  );
}
