'use client';
import { listWorkflows } from '@millrace/shared/contracts/workflows';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { SelectField } from '../../ui/field.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowsKey } from '../workflows/keys.ts';
import { useEditorTools } from './editor-context.tsx';
import type { FieldControlProps } from './field-props.ts';

/** Another workflow of the organization: one of the newest hundred, or whichever is chosen already. */
export function WorkflowField({ field, value, problem, isReadOnly, onChange }: FieldControlProps) {
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
  return (
    <SelectField
      label={field.label}
      hint={field.hint}
      problem={problem}
      disabled={isReadOnly}
      className="h-9"
      value={chosen}
      onChange={({ target }) => onChange(target.value)}
    >
      <option value="">Choose a workflow</option>
      {isListed ? null : <option value={chosen}>{chosen}</option>}
      {others.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </SelectField>
  );
}
