'use client';
import { listWorkflows } from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowsKey } from '../workflows/keys.ts';
import { ChoiceField } from './choice-field.tsx';
import { useEditorTools } from './editor-context.tsx';
import type { FieldControlProps } from './field-props.ts';

/** Another workflow of the organization: one of the newest hundred, or whichever is chosen already. */
export function WorkflowField(props: FieldControlProps) {
  const { value, onChange } = props;
  const { organization } = useOrganization();
  const { workflow } = useEditorTools();
  const orgId = organization.id;
  const { data } = useQuery({
    queryKey: [...workflowsKey(orgId), 'choices'],
    queryFn: ({ signal }) => callApi(listWorkflows, { params: { orgId }, query: { limit: '100' }, signal }),
  });
  const others = (data?.workflows ?? []).filter(({ id }) => id !== workflow.id);
  const chosen = typeof value === 'string' ? value : '';
  const isListed = chosen === '' || others.some(({ id }) => id === chosen);
  const choices = [
    ['', 'Choose a workflow'],
    ...(isListed ? [] : [[chosen, chosen]]),
    ...others.map(({ id, name }) => [id, name]),
  ] as [string, string][];
  return <ChoiceField {...props} chosen={chosen} choices={choices} onChoose={onChange} />;
}
