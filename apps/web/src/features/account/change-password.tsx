'use client';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Card, Notice } from '../../ui/surfaces.tsx';
import { useChangePassword } from './use-account.ts';

export function ChangePassword() {
  const { form, submit, failure, problemOf, isSending } = useChangePassword();
  return (
    <Card className="p-5">
      <form noValidate onSubmit={submit} className="grid gap-4">
        {failure ? <Notice>{failure}</Notice> : null}
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          problem={problemOf('currentPassword')}
          {...form.register('currentPassword')}
        />
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          problem={problemOf('newPassword')}
          {...form.register('newPassword')}
        />
        <div>
          <Button type="submit" look="secondary" isBusy={isSending}>
            Change password
          </Button>
        </div>
      </form>
    </Card>
  );
}
