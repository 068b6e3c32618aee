'use client';
import type { ListedRun, RunFilter } from '@millrace/shared/contracts/runs';
import { Activity, RotateCcw, Square } from 'lucide-react';
import Link from 'next/link';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { LongList, More, RowText } from '../../ui/list.tsx';
import { EmptyState, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { type BulkKind, kindsFor } from './bulk.ts';
import { BulkDialog } from './bulk-dialog.tsx';
import { describeRun } from './describe-run.ts';
import { RunFilters } from './run-filters.tsx';
import { RunStatusBadge } from './run-status-badge.tsx';
import { useRuns } from './use-runs.ts';

export function RunList({ workflowId }: { workflowId?: string }) {
  const { pages, isFiltered, choice, choose, filterAt } = useRuns(workflowId);
  const { items, error, retry, hasMore, isReadingMore, readMore } = pages;
  const isOfWorkflow = workflowId !== undefined;
  return (
    <div className="grid gap-4">
      <search className="flex flex-wrap gap-2">
        <RunFilters choice={choice} isOfWorkflow={isOfWorkflow} onChoose={choose} />
        {items && items.length > 0 ? <BulkActions isFiltered={isFiltered} filterAt={filterAt} /> : null}
      </search>
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!items && !error ? <SkeletonRows count={3} /> : null}
      {items?.length === 0 ? (
        <EmptyState icon={Activity} title={isFiltered ? 'No run fits' : 'No runs yet'}>
          <p>{isFiltered ? 'Try another status or time.' : 'Runs appear here as soon as something starts them.'}</p>
        </EmptyState>
      ) : null}
      {items && items.length > 0 ? (
        <LongList label="Runs" items={items} keyOf={({ id }) => id} rowHeight={66} rowClassName="hover:bg-hover">
          {(run) => <RunRow run={run} isOfWorkflow={isOfWorkflow} />}
        </LongList>
      ) : null}
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
    </div>
  );
}

function RunRow({ run, isOfWorkflow }: { run: ListedRun; isOfWorkflow: boolean }) {
  const { path } = useOrganization();
  return (
    <>
      <span className="w-28 shrink-0">
        <RunStatusBadge status={run.status} />
      </span>
      <RowText
        className="max-sm:order-first max-sm:basis-full"
        title={
          <Link
            href={path(`/workflows/${run.workflowId}/runs/${run.id}`)}
            aria-label={`Run ${run.id} of ${run.workflowName}`}
            className="after:absolute after:inset-0 after:content-['']"
          >
            {isOfWorkflow ? <span className="font-mono text-[0.8125rem]">{run.id}</span> : run.workflowName}
          </Link>
        }
      >
        {describeRun(run)}
      </RowText>
      <Time at={run.createdAt} className="text-[0.8125rem] text-muted max-sm:ml-auto" />
    </>
  );
}

const ACTIONS = {
  cancel: { label: 'Cancel all …', icon: Square },
  retry: { label: 'Retry all …', icon: RotateCcw },
};

/** What can be done to all runs that the filter shows, those of later pages too. */
function BulkActions({ isFiltered, filterAt }: { isFiltered: boolean; filterAt: (nowMs: number) => RunFilter }) {
  const { can } = useOrganization();
  const [open, setOpen] = useState<{ kind: BulkKind; filter: RunFilter } | null>(null);
  if (!can('run:start')) return null;
  return (
    <div className="ml-auto flex gap-2">
      {kindsFor(filterAt(0).status).map((kind) => {
        const { label, icon: Icon } = ACTIONS[kind];
        return (
          <Button
            key={kind}
            look="secondary"
            className="h-9 px-3"
            // The filter as it is now: what is counted is what is done.
            onClick={() => setOpen({ kind, filter: filterAt(Date.now()) })}
          >
            <Icon aria-hidden /> {label}
          </Button>
        );
      })}
      {open ? <BulkDialog {...open} isFiltered={isFiltered} onClose={() => setOpen(null)} /> : null}
    </div>
  );
}
