'use client';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card } from '../../ui/surfaces.tsx';
import { useChangePassword } from './use-account.ts';

export function ChangePassword() {
  const change = useChangePassword();
  const { form, problemOf } = change;
  return (
    <Card className="p-5">
      <Form of={change} action="Change password" look="secondary" button="start">
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
      </Form>
    </Card>
  );
}
