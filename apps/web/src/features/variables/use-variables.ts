'use client';
import { deleteVariable, listVariables, putVariable } from '@millrace/shared/contracts/variables';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ApiAnswer, callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { typeOf, variableForm } from './variable-form.ts';

export type Variable = ApiAnswer<typeof listVariables>['variables'][number];

const variablesKey = (orgId: string) => ['orgs', orgId, 'variables'];

export function useVariables() {
  const { organization } = useOrganization();
  const orgId = organization.id;
  const variables = useQuery({
    queryKey: variablesKey(orgId),
    queryFn: ({ signal }) => callApi(listVariables, { params: { orgId }, signal }),
    select: (answer) => answer.variables,
  });
  const remove = useAction({
    run: (name: string) => callApi(deleteVariable, { params: { orgId, name } }),
    changes: [variablesKey(orgId)],
    done: (_, name) => `${name} was deleted.`,
  });
  return { variables, remove };
}

/** Without a variable, for a new one, whose name must be none of `taken`. */
export function useVariableForm(variable: Variable | undefined, taken: readonly string[], onDone: () => void) {
  const { organization } = useOrganization();
  const orgId = organization.id;
  const queries = useQueryClient();
  return useApiForm({
    schema: variableForm(variable ? [] : taken),
    defaults: variable ? { name: variable.name, ...typeOf(variable.value) } : { name: '', kind: 'text', text: '' },
    send: async ({ name, value }) => {
      await callApi(putVariable, { params: { orgId, name }, body: { value } });
      await queries.invalidateQueries({ queryKey: variablesKey(orgId) });
      toast(variable ? `${name} was changed.` : `${name} was made.`);
      onDone();
    },
  });
}
