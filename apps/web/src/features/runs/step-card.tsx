'use client';
import type { Step } from '@millrace/shared/contracts/runs';
import { ChevronRight } from 'lucide-react';
import { sayDuration } from '../../lib/time.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { JsonBlock } from './json-block.tsx';
import { RunStatusBadge } from './run-status-badge.tsx';
import { type RunAddress, useRunActions } from './use-run.ts';

export function StepCard({ step, address }: { step: Step; address: RunAddress }) {
  const { stepId, type, status, attempt, startedAt, finishedAt, error } = step;
  return (
    <li>
      <Card>
        <details className="group">
          <summary className="flex cursor-pointer list-none flex-wrap items-center gap-3 rounded-xl px-4 py-3 hover:bg-hover">
            <ChevronRight aria-hidden className="size-4 text-muted transition-transform group-open:rotate-90" />
            <span className="min-w-0 flex-1 truncate text-sm font-medium">
              {stepId} <span className="font-normal text-muted">{type}</span>
            </span>
            {attempt > 1 ? <span className="text-xs text-muted">attempt {attempt}</span> : null}
            {startedAt && finishedAt ? (
              <span className="text-xs text-muted tabular-nums">
                {sayDuration(Date.parse(finishedAt) - Date.parse(startedAt))}
              </span>
            ) : null}
            <RunStatusBadge status={status} />
          </summary>
          <div className="grid gap-4 border-t border-line p-4">
            {error ? <p className="text-sm text-danger">{error.message}</p> : null}
            <JsonBlock title="Input" value={step.input} />
            <JsonBlock title="Output" value={step.output} />
          </div>
        </details>
        {type === 'approval' && status === 'waiting' ? <Decision stepId={stepId} address={address} /> : null}
      </Card>
    </li>
  );
}

function Decision({ stepId, address }: { stepId: string; address: RunAddress }) {
  const { can } = useOrganization();
  const { decide } = useRunActions(address);
  if (!can('run:decide')) return null;
  return (
    <div className="flex flex-wrap items-center justify-between gap-3 border-t border-line px-4 py-3">
      <p className="text-sm text-muted">Waits for a decision.</p>
      <div className="flex gap-2">
        <Button
          look="danger"
          size="sm"
          isBusy={decide.isBusy}
          onClick={() => decide.start({ stepId, decision: 'rejected' })}
        >
          Reject
        </Button>
        <Button size="sm" isBusy={decide.isBusy} onClick={() => decide.start({ stepId, decision: 'approved' })}>
          Approve
        </Button>
      </div>
    </div>
  );
}
