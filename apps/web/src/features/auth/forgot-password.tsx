'use client';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { AuthCard, TextLink } from './auth-card.tsx';
import { useForgotPassword } from './use-passwords.ts';

export function ForgotPassword() {
  const forgotten = useForgotPassword();
  const { form, problemOf, sentTo } = forgotten;
  const footer = <TextLink href="/sign-in">Back to sign in</TextLink>;
  if (sentTo)
    return (
      <AuthCard title="Look into your mail" footer={footer}>
        <Notice tone="success">
          If there is an account for {sentTo}, a mail with a link is on its way. The link works for an hour.
        </Notice>
      </AuthCard>
    );
  return (
    <AuthCard title="Forgot your password?" about="We mail you a link that sets a new one." footer={footer}>
      <Form of={forgotten} action="Send the link">
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="username"
          problem={problemOf('email')}
          {...form.register('email')}
        />
      </Form>
    </AuthCard>
  );
}
