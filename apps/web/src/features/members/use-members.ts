'use client';
import {
  createInvitation,
  listInvitations,
  resendInvitation,
  revokeInvitation,
} from '@millrace/shared/contracts/invitations';
import { changeMemberRole, listMembers, removeMember } from '@millrace/shared/contracts/organizations';
import type { RoleKey } from '@millrace/shared/permissions';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { usePages } from '../../lib/use-pages.ts';
import { toast } from '../../ui/toast-store.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { ME } from '../shell/use-me.ts';

export const membersKey = (orgId: string) => ['orgs', orgId, 'members'];
const invitationsKey = (orgId: string) => ['orgs', orgId, 'invitations'];

export function useMembers() {
  const { organization } = useOrganization();
  const params = { orgId: organization.id };
  return useQuery({
    queryKey: membersKey(organization.id),
    queryFn: ({ signal }) => callApi(listMembers, { params, signal }),
    select: ({ members }) => members,
  });
}

export function useMemberActions() {
  const { organization, userId } = useOrganization();
  const orgId = organization.id;
  const changeRole = useAction({
    run: ({ memberId, roleKey }: { memberId: string; roleKey: RoleKey }) =>
      callApi(changeMemberRole, { params: { orgId, memberId }, body: { roleKey } }),
    changes: [membersKey(orgId), ME],
    done: () => 'The role was changed.',
  });
  const remove = useAction({
    run: (memberId: string) => callApi(removeMember, { params: { orgId, memberId } }),
    changes: [membersKey(orgId)],
    done: (_, memberId) => {
      if (memberId !== userId) return 'The member was removed.';
      // A new document: nothing of what was left stays in memory.
      window.location.replace('/home');
      return `You left ${organization.name}.`;
    },
  });
  return { changeRole, remove };
}

export function useInvitations() {
  const { organization } = useOrganization();
  const orgId = organization.id;
  const pages = usePages({
    key: invitationsKey(orgId),
    read: (cursor, signal) => callApi(listInvitations, { params: { orgId }, query: { cursor }, signal }),
    items: (page) => page.invitations,
  });
  const resend = useAction({
    run: (invitationId: string) => callApi(resendInvitation, { params: { orgId, invitationId } }),
    changes: [invitationsKey(orgId)],
    done: ({ invitation }) => `The invitation was mailed to ${invitation.email} again.`,
  });
  const revoke = useAction({
    run: (invitationId: string) => callApi(revokeInvitation, { params: { orgId, invitationId } }),
    changes: [invitationsKey(orgId)],
    done: () => 'The invitation was revoked.',
  });
  return { pages, resend, revoke };
}

export function useInvite(onDone: () => void) {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  return useApiForm({
    schema: createInvitation.body,
    defaults: { email: '', roleKey: 'member' },
    send: async (body) => {
      await callApi(createInvitation, { params: { orgId: organization.id }, body });
      await queries.invalidateQueries({ queryKey: invitationsKey(organization.id) });
      toast(`The invitation was mailed to ${body.email}.`);
      onDone();
    },
    fieldOf: { CONFLICT: 'email' },
  });
}
