'use client';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Row, RowText } from '../../ui/list.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import type { useVariables, Variable } from './use-variables.ts';
import { sayValue } from './variable-form.ts';

interface VariableRowProps {
  variable: Variable;
  remove: ReturnType<typeof useVariables>['remove'];
  onEdit: () => void;
}

export function VariableRow({ variable, remove, onEdit }: VariableRowProps) {
  const { can } = useOrganization();
  const [isAsking, setAsking] = useState(false);
  const { name, value, updatedAt } = variable;
  return (
    <Row>
      <RowText title={<code>{name}</code>}>
        <code>{sayValue(value)}</code>
      </RowText>
      <span className="text-[0.8125rem] text-muted">
        set <Time at={updatedAt} />
      </span>
      {can('variable:write') ? (
        <div className="flex gap-1 max-sm:-ml-3">
          <Button look="ghost" size="sm" aria-label={`Edit ${name}`} onClick={onEdit}>
            Edit
          </Button>
          <Button look="ghost" size="sm" aria-label={`Delete ${name}`} onClick={() => setAsking(true)}>
            Delete
          </Button>
        </div>
      ) : null}
      <Confirm
        title={`Delete ${name}?`}
        about="Expressions that read it find no value from then on, also those of runs under way."
        action="Delete variable"
        isOpen={isAsking}
        isBusy={remove.isBusy}
        onConfirm={() => remove.start(name, { onSettled: () => setAsking(false) })}
        onClose={() => setAsking(false)}
      />
    </Row>
  );
}
