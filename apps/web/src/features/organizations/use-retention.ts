'use client';
import { getRunRetention, updateRunRetention } from '@millrace/shared/contracts/retention';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ApiAnswer, callApi } from '../../lib/call-api.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';
import { RetentionForm, sayRetention } from './retention-form.ts';
import { useOrganization } from './use-organization.ts';

export type Retention = ApiAnswer<typeof getRunRetention>['retention'];

const retentionKey = (orgId: string) => ['orgs', orgId, 'run-retention'];

export function useRetention() {
  const { organization } = useOrganization();
  return useQuery({
    queryKey: retentionKey(organization.id),
    queryFn: ({ signal }) => callApi(getRunRetention, { params: { orgId: organization.id }, signal }),
    select: ({ retention }) => retention,
  });
}

export function useRetentionForm({ days, isDefault }: Retention) {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  return useApiForm({
    schema: RetentionForm,
    defaults: { days: isDefault ? '' : String(days) },
    send: async (body) => {
      const answer = await callApi(updateRunRetention, { params: { orgId: organization.id }, body });
      queries.setQueryData(retentionKey(organization.id), answer);
      toast(`Saved. ${sayRetention(answer.retention)}`);
    },
  });
}
