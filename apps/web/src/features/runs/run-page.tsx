'use client';
import type { Run } from '@millrace/shared/contracts/runs';
import { RotateCcw, SkipForward, Square } from 'lucide-react';
import Link from 'next/link';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { Rows } from '../../ui/rows.tsx';
import { Card, Notice, PageHeader, Section, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { useWorkflow } from '../workflows/use-workflow.ts';
import { describeRun } from './describe-run.ts';
import { RunCanvasCard } from './run-canvas-card.tsx';
import { RunOrigin } from './run-origin.tsx';
import { ENDED } from './run-status.ts';
import { RunStatusBadge } from './run-status-badge.tsx';
import { RunValue } from './run-value.tsx';
import { StandingNotice } from './standing-notice.tsx';
import { StepCard } from './step-card.tsx';
import { Timeline } from './timeline.tsx';
import { type RunAddress, useRun, useRunActions } from './use-run.ts';
import { useSelectedStep } from './use-selected-step.ts';
import { useStanding } from './use-standing.ts';

export function RunPage(address: RunAddress) {
  const { path } = useOrganization();
  const { run, steps, entries, error, retry } = useRun(address);
  const standing = useStanding(address, run?.status);
  const selection = useSelectedStep();
  const workflow = useWorkflow(address.workflowId);
  if (error) return <Failure error={error} onRetry={retry} />;
  if (!run) return <SkeletonRows />;
  return (
    <>
      <div className="grid gap-3">
        <Link
          href={path(`/workflows/${address.workflowId}`)}
          className="justify-self-start rounded-sm text-sm text-muted hover:text-ink"
        >
          Workflow
        </Link>
        <PageHeader
          title={workflow.data ? `Run of ${workflow.data.name}` : 'Run'}
          about={
            <span className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
              <RunStatusBadge status={run.status} />
              <span>{describeRun({ ...run, error: null })}</span>
              <Time at={run.createdAt} />
              <code className="text-xs">{run.id}</code>
              <RunOrigin run={run} />
            </span>
          }
        >
          <Actions address={address} run={run} />
        </PageHeader>
      </div>
      {run.error ? (
        <Notice>
          {run.error.stepId ? <strong>{run.error.stepId}: </strong> : null}
          {run.error.message}
        </Notice>
      ) : null}
      {standing ? <StandingNotice standing={standing} /> : null}
      <div className="grid items-start gap-6 xl:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="grid min-w-0 gap-6">
          <RunCanvasCard
            workflowId={address.workflowId}
            version={run.version}
            steps={steps}
            isOver={ENDED.includes(run.status)}
            selection={selection}
          />
          <Section title="Steps">
            {steps.length === 0 ? <p className="text-sm text-muted">No step has begun yet.</p> : null}
            <Rows
              isOrdered
              label="Steps"
              items={steps}
              keyOf={({ stepId }) => stepId}
              rowHeight={62}
              rowClassName="pb-3"
              shown={selection.inList}
            >
              {(step) => <StepCard step={step} standing={standing} address={address} selection={selection} />}
            </Rows>
            <div className="grid gap-4 lg:grid-cols-2">
              <RunValue address={address} place={{ field: 'input' }} value={run.input} />
              <RunValue address={address} place={{ field: 'output' }} value={run.output} />
            </div>
          </Section>
        </div>
        <Card className="p-5">
          <Timeline entries={entries} />
        </Card>
      </div>
    </>
  );
}

function Actions({ address, run }: { address: RunAddress; run: Run }) {
  const { can } = useOrganization();
  const { cancel, retry, repeat } = useRunActions(address);
  if (!can('run:start')) return null;
  if (!ENDED.includes(run.status))
    return (
      <Button look="danger" isBusy={cancel.isBusy} onClick={() => cancel.start()}>
        <Square aria-hidden /> Cancel
      </Button>
    );
  if (run.status === 'succeeded')
    return (
      <Button look="secondary" isBusy={repeat.isBusy} onClick={() => repeat.start(run.input)}>
        <RotateCcw aria-hidden /> Run again
      </Button>
    );
  return (
    <>
      <Button look="secondary" isBusy={retry.busyWith === false} onClick={() => retry.start(false)}>
        <SkipForward aria-hidden /> Retry from here
      </Button>
      <Button look="secondary" isBusy={retry.busyWith === true} onClick={() => retry.start(true)}>
        <RotateCcw aria-hidden /> Run again on the latest version
      </Button>
    </>
  );
}
