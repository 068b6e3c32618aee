'use client';
import { verifyEmail } from '@millrace/shared/contracts/auth';
import { useMutation } from '@tanstack/react-query';
import { useEffect } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { forgetMailedToken } from '../../lib/mailed-token.ts';

/** Confirms the address as soon as the page runs: whoever opened the link meant that. */
export function useVerifyEmail(token: string | null | undefined) {
  const { mutate, isSuccess, error, isIdle } = useMutation({
    mutationFn: (mailed: string) => callApi(verifyEmail, { body: { token: mailed } }),
    onSettled: () => forgetMailedToken('verify-email'),
  });
  useEffect(() => {
    if (token && isIdle) mutate(token);
  }, [token, isIdle, mutate]);
  return { isDone: isSuccess, error, isMissing: token === null && isIdle };
}
