'use client';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { AuthCard, TextLink } from './auth-card.tsx';
import { OAuthButtons } from './oauth-buttons.tsx';
import { useArrival } from './use-arrival.ts';
import { emptyToUndefined, useSignUp } from './use-sign-in.ts';

export function SignUp() {
  const { returnTo } = useArrival();
  const { form, submit, failure, problemOf, isSending } = useSignUp();
  const footer = (
    <>
      Have an account? <TextLink href={`/sign-in?returnTo=${encodeURIComponent(returnTo)}`}>Sign in</TextLink>
    </>
  );
  return (
    <AuthCard title="Create your account" about="It takes a minute; your first workflow, five." footer={footer}>
      {failure ? <Notice>{failure}</Notice> : null}
      <OAuthButtons returnTo={returnTo} />
      <form noValidate onSubmit={submit} className="grid gap-4">
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
        <Button type="submit" isBusy={isSending}>
          Create account
        </Button>
      </form>
    </AuthCard>
  );
}
