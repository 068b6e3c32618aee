'use client';
import { Braces, Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List } from '../../ui/list.tsx';
import { EmptyState, PageHeader, SkeletonRows } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { useVariables, type Variable } from './use-variables.ts';
import { VariableDialog } from './variable-dialog.tsx';
import { VariableRow } from './variable-row.tsx';

export function Variables() {
  const { can } = useOrganization();
  const { variables, remove } = useVariables();
  const { data, error, refetch } = variables;
  const [edited, setEdited] = useState<Variable | 'new'>();
  const makeButton = can('variable:write') ? (
    <Button onClick={() => setEdited('new')}>
      <Plus aria-hidden /> New variable
    </Button>
  ) : null;
  return (
    <>
      <PageHeader
        title="Variables"
        about="Values that every workflow reads as $vars, and that are changed in one place."
      >
        {data && data.length > 0 ? makeButton : null}
      </PageHeader>
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <SkeletonRows count={3} /> : null}
      {data?.length === 0 ? (
        <EmptyState icon={Braces} title="No variables yet">
          <p>A base address, a limit or a list of recipients: what several workflows share belongs here.</p>
          {makeButton}
        </EmptyState>
      ) : null}
      {data && data.length > 0 ? (
        <List label="Variables">
          {data.map((variable) => (
            <VariableRow key={variable.name} variable={variable} remove={remove} onEdit={() => setEdited(variable)} />
          ))}
        </List>
      ) : null}
      <VariableDialog
        variable={edited === 'new' ? undefined : edited}
        taken={data?.map(({ name }) => name) ?? []}
        isOpen={edited !== undefined}
        onClose={() => setEdited(undefined)}
      />
    </>
  );
}
