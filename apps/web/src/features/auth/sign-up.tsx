'use client';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { AuthCard, TextLink } from './auth-card.tsx';
import { OAuthButtons } from './oauth-buttons.tsx';
import { useArrival } from './use-arrival.ts';
import { emptyToUndefined, useSignUp } from './use-sign-in.ts';

export function SignUp() {
  const { returnTo } = useArrival();
  const signUp = useSignUp();
  const { form, problemOf } = signUp;
  const footer = (
    <>
      Have an account? <TextLink href={`/sign-in?returnTo=${encodeURIComponent(returnTo)}`}>Sign in</TextLink>
    </>
  );
  return (
    <AuthCard title="Create your account" about="It takes a minute; your first workflow, five." footer={footer}>
      <OAuthButtons returnTo={returnTo} />
      <Form of={signUp} action="Create account">
        <TextField
          label="Your name"
          hint="Optional. Others in your organization see it."
          autoComplete="name"
          problem={problemOf('displayName')}
          {...form.register('displayName', { setValueAs: emptyToUndefined })}
        />
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="username"
          problem={problemOf('email')}
          {...form.register('email')}
        />
        <TextField
          label="Password"
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
