'use client';
import { RunStatus } from '@millrace/shared/contracts/runs';
import { Select } from '../../ui/field.tsx';
import { PERIODS, type Period } from './periods.ts';
import { lookOfStatus } from './run-status.ts';
import { type RunChoice, useWorkflowChoices } from './use-runs.ts';

interface RunFiltersProps {
  choice: RunChoice;
  /** Of one workflow: then nobody chooses another. */
  isOfWorkflow: boolean;
  onChoose: (changed: Partial<RunChoice>) => void;
}

export function RunFilters({ choice, isOfWorkflow, onChoose }: RunFiltersProps) {
  return (
    <>
      {isOfWorkflow ? null : (
        <>
          <input
            type="search"
            aria-label="Search runs"
            placeholder="Workflow or run id"
            value={choice.search}
            onChange={({ target }) => onChoose({ search: target.value })}
            className="h-9 min-w-48 flex-1 rounded-lg border border-line-strong bg-surface px-3 text-sm placeholder:text-muted sm:max-w-xs"
          />
          <WorkflowFilter choice={choice} onChoose={onChoose} />
        </>
      )}
      <Select
        aria-label="Run status"
        className="h-9 w-auto"
        value={choice.status}
        onChange={({ target }) => onChoose({ status: RunStatus.safeParse(target.value).data ?? '' })}
      >
        <option value="">Any status</option>
        {RunStatus.options.map((status) => (
          <option key={status} value={status}>
            {lookOfStatus(status).word}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Started"
        className="h-9 w-auto"
        value={choice.period}
        onChange={({ target }) => onChoose({ period: target.value as Period })}
      >
        {Object.entries(PERIODS).map(([period, name]) => (
          <option key={period} value={period}>
            {name}
          </option>
        ))}
      </Select>
    </>
  );
}

function WorkflowFilter({ choice, onChoose }: Pick<RunFiltersProps, 'choice' | 'onChoose'>) {
  const workflows = useWorkflowChoices();
  return (
    <Select
      aria-label="Workflow"
      className="h-9 w-auto max-w-56"
      value={choice.workflowId}
      onChange={({ target }) => onChoose({ workflowId: target.value })}
    >
      <option value="">Any workflow</option>
      {workflows.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </Select>
  );
}
