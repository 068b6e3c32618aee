'use client';
import { forgotPassword, resetPassword } from '@millrace/shared/contracts/auth';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { forgetMailedToken, useMailedToken } from '../../lib/mailed-token.ts';
import { signedOut } from '../../lib/session.ts';
import { useApiForm } from '../../lib/use-api-form.ts';

export function useForgotPassword() {
  const [sentTo, setSentTo] = useState<string>();
  const form = useApiForm({
    schema: forgotPassword.body,
    defaults: { email: '' },
    send: async (body) => {
      await callApi(forgotPassword, { body });
      setSentTo(body.email);
    },
  });
  return { ...form, sentTo };
}

const NewPassword = resetPassword.body.pick({ password: true });

export function useResetPassword() {
  const token = useMailedToken('reset-password');
  const [isDone, setDone] = useState(false);
  const form = useApiForm({
    schema: NewPassword,
    defaults: { password: '' },
    send: async ({ password }) => {
      await callApi(resetPassword, { body: { token: token ?? '', password } });
      forgetMailedToken('reset-password');
      // It ended every session, this browser's included.
      signedOut();
      setDone(true);
    },
  });
  return { ...form, token, isDone };
}
