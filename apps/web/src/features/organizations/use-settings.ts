'use client';
import { deleteOrganization, updateOrganization } from '@millrace/shared/contracts/organizations';
import { useQueryClient } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';
import { ME } from '../shell/use-me.ts';
import { useOrganization } from './use-organization.ts';

export function useRename() {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  return useApiForm({
    schema: updateOrganization.body.required(),
    defaults: { name: organization.name },
    send: async (body) => {
      await callApi(updateOrganization, { params: { orgId: organization.id }, body });
      await queries.invalidateQueries({ queryKey: ME });
      toast('The name is saved.');
    },
  });
}

export function useDelete() {
  const { organization } = useOrganization();
  return useApiForm({
    schema: deleteOrganization.body,
    defaults: { confirm: '' },
    send: async (body) => {
      await callApi(deleteOrganization, { params: { orgId: organization.id }, body });
      // A new document: nothing of what is gone stays in memory.
      window.location.replace('/home');
    },
    fieldOf: { BAD_REQUEST: 'confirm' },
  });
}
