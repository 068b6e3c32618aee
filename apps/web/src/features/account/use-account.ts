'use client';
import { logOutAll } from '@millrace/shared/contracts/auth';
import { changePassword, listSessions, revokeSession, sendVerification } from '@millrace/shared/contracts/me';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { announceSignOut } from '../../lib/session.ts';
import { useAction } from '../../lib/use-action.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';

const SESSIONS = ['sessions'];

export function useSessions() {
  const sessions = useQuery({
    queryKey: SESSIONS,
    queryFn: ({ signal }) => callApi(listSessions, { signal }),
    select: (answer) => answer.sessions,
  });
  const revoke = useAction({
    run: (sessionId: string) => callApi(revokeSession, { params: { sessionId } }),
    changes: [SESSIONS],
    done: () => 'That device is signed out.',
  });
  const signOutEverywhere = useAction({
    run: () => callApi(logOutAll, {}),
    done: () => {
      announceSignOut();
      window.location.replace('/sign-in');
      return undefined;
    },
  });
  return { sessions, revoke, signOutEverywhere };
}

export function useChangePassword() {
  const form = useApiForm({
    schema: changePassword.body,
    defaults: { currentPassword: '', newPassword: '' },
    send: async (body) => {
      await callApi(changePassword, { body });
      toast('The password is changed; other devices are signed out.');
      form.form.reset();
    },
    fieldOf: { FORBIDDEN: 'currentPassword' },
  });
  return form;
}

export function useSendVerification() {
  return useAction({
    run: () => callApi(sendVerification, {}),
    done: () => 'A mail with a link is on its way.',
  });
}
