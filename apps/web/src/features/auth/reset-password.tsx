'use client';
import { ButtonLink } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { AuthCard, TextLink } from './auth-card.tsx';
import { useResetPassword } from './use-passwords.ts';

export function ResetPassword() {
  const reset = useResetPassword();
  const { form, problemOf, token, isDone } = reset;
  if (isDone)
    return (
      <AuthCard title="Your password is set" about="Every earlier sign-in has ended, on all devices.">
        <ButtonLink href="/sign-in">Sign in with it</ButtonLink>
      </AuthCard>
    );
  if (token === null)
    return (
      <AuthCard title="This link is not complete" about="Open the link of the newest mail again, or ask for a new one.">
        <ButtonLink href="/forgot-password">Ask for a new link</ButtonLink>
      </AuthCard>
    );
  const footer = <TextLink href="/forgot-password">Ask for a new link</TextLink>;
  return (
    <AuthCard title="Set a new password" footer={footer}>
      <Form of={reset} action="Set password">
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          hint="At least 8 characters; a few unrelated words work well."
          problem={problemOf('password')}
          {...form.register('password')}
        />
      </Form>
    </AuthCard>
  );
}
