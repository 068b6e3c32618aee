'use client';
import { acceptInvitation } from '@millrace/shared/contracts/invitations';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { useEffect, useState } from 'react';
import { ApiError } from '../../lib/api-error.ts';
import { callApi } from '../../lib/call-api.ts';
import { forgetMailedToken, useMailedToken } from '../../lib/mailed-token.ts';
import { sayError } from '../../lib/say-error.ts';
import { renewSession } from '../../lib/session.ts';
import { useSession } from '../../lib/use-session.ts';
import { toast } from '../../ui/toast-store.ts';
import { fetchMe, ME } from '../shell/use-me.ts';

export type InvitationView = 'loading' | 'missing' | 'stranger' | 'ready' | 'wrong-account' | 'refused';

/** An invitation that is kept in this tab until somebody took it or put it away, also while they sign in or up. */
export function useAcceptInvitation() {
  const token = useMailedToken('invitation');
  const session = useSession();
  const router = useRouter();
  const queries = useQueryClient();
  const [isGone, setGone] = useState(false);
  useEffect(() => {
    if (session.status === 'unknown') renewSession().catch(() => {});
  }, [session.status]);
  const { mutate, isPending, error } = useMutation({
    mutationFn: (mailed: string) => callApi(acceptInvitation, { params: { token: mailed } }),
    onSuccess: async ({ result }) => {
      forgetMailedToken('invitation');
      const me = await queries.fetchQuery({ queryKey: ME, queryFn: fetchMe, staleTime: 0 });
      const joined = me.memberships.find(({ organization }) => organization.id === result.organizationId);
      toast(`You joined ${joined?.organization.name ?? 'the organization'}.`);
      router.replace(joined ? `/orgs/${joined.organization.slug}/workflows` : '/home');
    },
  });
  const putAway = () => {
    forgetMailedToken('invitation');
    setGone(true);
    router.replace('/home');
  };
  const view = isGone ? 'loading' : viewOf(token, session.status, error);
  const email = session.status === 'signed-in' ? session.user.email : undefined;
  return {
    view,
    email,
    isPending,
    message: error ? sayError(error) : undefined,
    accept: () => mutate(token ?? ''),
    putAway,
  };
}

export function viewOf(token: string | null | undefined, status: string, error: unknown): InvitationView {
  if (token === undefined || status === 'unknown') return 'loading';
  if (token === null) return 'missing';
  if (status === 'signed-out') return 'stranger';
  if (error instanceof ApiError && error.status === 403) return 'wrong-account';
  return error ? 'refused' : 'ready';
}
