'use client';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { AuthCard, TextLink } from './auth-card.tsx';
import { OAuthButtons } from './oauth-buttons.tsx';
import { useArrival } from './use-arrival.ts';
import { useSignIn } from './use-sign-in.ts';

export function SignIn() {
  const { returnTo, oauthFailure } = useArrival();
  const signIn = useSignIn();
  const { form, problemOf } = signIn;
  const footer = (
    <>
      New here? <TextLink href={`/sign-up?returnTo=${encodeURIComponent(returnTo)}`}>Create an account</TextLink>
    </>
  );
  return (
    <AuthCard title="Sign in" about="Welcome back." footer={footer}>
      {oauthFailure && !signIn.failure ? <Notice>{oauthFailure}</Notice> : null}
      <OAuthButtons returnTo={returnTo} />
      <Form of={signIn} action="Sign in">
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
          autoComplete="current-password"
          problem={problemOf('password')}
          {...form.register('password')}
        />
      </Form>
      <p className="text-center text-sm">
        <TextLink href="/forgot-password">Forgot your password?</TextLink>
      </p>
    </AuthCard>
  );
}
