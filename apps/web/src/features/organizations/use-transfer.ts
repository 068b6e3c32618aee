'use client';
import { transferOrganization } from '@millrace/shared/contracts/organizations';
import { useQueryClient } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';
import { membersKey, useMembers } from '../members/use-members.ts';
import { ME } from '../shell/use-me.ts';
import { transferForm } from './transfer-form.ts';
import { useOrganization } from './use-organization.ts';

/** `others` are the members who could become the owner; undefined while they are not known. */
export function useTransfer() {
  const { organization, userId } = useOrganization();
  const queries = useQueryClient();
  const members = useMembers();
  const form = useApiForm({
    schema: transferForm(organization.name),
    defaults: { memberId: '', confirm: '' },
    send: async ({ memberId }) => {
      await callApi(transferOrganization, { params: { orgId: organization.id }, body: { memberId } });
      toast('The organization has a new owner; you are an admin now.');
      await Promise.all([ME, membersKey(organization.id)].map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
  });
  const others = members.data?.filter((member) => member.userId !== userId);
  return { ...form, others, error: members.error, retry: () => void members.refetch() };
}
