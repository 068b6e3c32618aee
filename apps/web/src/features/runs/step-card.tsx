'use client';
import type { Standing } from '@millrace/shared/contracts/runs';
import { ChevronRight } from 'lucide-react';
import { sayDuration } from '../../lib/time.ts';
import { cn } from '../../ui/cn.ts';
import { Countdown } from '../../ui/countdown.tsx';
import { Card } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { questionOf } from './decisions.ts';
import { RunStatusBadge } from './run-status-badge.tsx';
import { RunValue } from './run-value.tsx';
import { retryAtOf } from './say-standing.ts';
import { StepQuestion } from './step-question.tsx';
import type { LiveStep } from './timeline.ts';
import type { RunAddress } from './use-run.ts';
import type { StepSelection } from './use-selected-step.ts';
import { useStepCard } from './use-step-card.ts';

interface StepCardProps {
  step: LiveStep;
  standing: Standing | null;
  address: RunAddress;
  selection: StepSelection;
}

export function StepCard({ step, standing, address, selection }: StepCardProps) {
  const { stepId, type, status, attempt, startedAt, finishedAt } = step;
  const { card, isOpen, isSelected, onToggle } = useStepCard(stepId, selection);
  const question = questionOf(step, standing, useOrganization());
  const retryAt = retryAtOf(standing, stepId);
  return (
    <Card className={cn(isSelected && 'border-accent ring-2 ring-accent/40')}>
      <details ref={card} className="group scroll-mt-20" onToggle={onToggle}>
        <summary
          aria-current={isSelected || undefined}
          className="flex cursor-pointer list-none flex-wrap items-center gap-x-3 gap-y-1 rounded-xl px-4 py-3 hover:bg-hover"
        >
          <ChevronRight aria-hidden className="size-4 text-muted transition-transform group-open:rotate-90" />
          <span className="min-w-0 flex-1 truncate text-sm font-medium">
            {stepId} <span className="font-normal text-muted">{type}</span>
          </span>
          {attempt > 1 ? <span className="text-xs text-muted">attempt {attempt}</span> : null}
          {retryAt ? (
            <span className="text-xs text-warning">
              next attempt <Countdown to={retryAt} />
            </span>
          ) : null}
          {startedAt && finishedAt ? (
            <span className="text-xs text-muted tabular-nums">
              {sayDuration(Date.parse(finishedAt) - Date.parse(startedAt))}
            </span>
          ) : null}
          <RunStatusBadge status={status} />
        </summary>
        {isOpen ? <Values step={step} address={address} /> : null}
      </details>
      {question ? <StepQuestion stepId={stepId} question={question} address={address} /> : null}
    </Card>
  );
}

/** Made when they are looked at: a run may have many steps. */
function Values({ step: { stepId, input, output, error, isRead }, address }: Pick<StepCardProps, 'step' | 'address'>) {
  if (!isRead) return <p className="border-t border-line p-4 text-sm text-muted">It has only just begun.</p>;
  return (
    <div className="grid gap-4 border-t border-line p-4">
      {error ? (
        <p className="text-sm text-danger">
          {error.message} <code className="text-xs">{error.code}</code>
        </p>
      ) : null}
      <RunValue address={address} place={{ stepId, field: 'input' }} value={input} />
      <RunValue address={address} place={{ stepId, field: 'output' }} value={output} />
    </div>
  );
}
