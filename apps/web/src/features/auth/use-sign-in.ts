'use client';
import { logIn, signUp } from '@millrace/shared/contracts/auth';
import { callApi } from '../../lib/call-api.ts';
import { signedIn } from '../../lib/session.ts';
import { useApiForm } from '../../lib/use-api-form.ts';

export function useSignIn() {
  return useApiForm({
    schema: logIn.body,
    defaults: { email: '', password: '' },
    send: async (body) => signedIn(await callApi(logIn, { body })),
    fieldOf: {},
  });
}

export function useSignUp() {
  return useApiForm({
    schema: signUp.body,
    defaults: { email: '', password: '', displayName: undefined },
    send: async (body) => signedIn(await callApi(signUp, { body })),
    fieldOf: { CONFLICT: 'email' },
  });
}

/** A field that may be left out is left out, not sent empty. */
export function emptyToUndefined(value: string | undefined): string | undefined {
  return value?.trim() ? value : undefined;
}
