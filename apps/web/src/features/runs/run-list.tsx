'use client';
import { RunStatus } from '@millrace/shared/contracts/runs';
import { Activity } from 'lucide-react';
import Link from 'next/link';
import { Failure } from '../../ui/failure.tsx';
import { Select } from '../../ui/field.tsx';
import { List, More, Row, RowText } from '../../ui/list.tsx';
import { EmptyState, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { describeRun } from './describe-run.ts';
import type { Period } from './periods.ts';
import { lookOfStatus } from './run-status.ts';
import { RunStatusBadge } from './run-status-badge.tsx';
import { useRuns } from './use-runs.ts';

export function RunList({ workflowId }: { workflowId?: string }) {
  const { path } = useOrganization();
  const runs = useRuns(workflowId);
  const { items, error, retry, hasMore, isReadingMore, readMore } = runs.pages;
  return (
    <div className="grid gap-4">
      <search className="flex flex-wrap gap-2">
        {workflowId ? null : (
          <input
            type="search"
            aria-label="Search runs"
            placeholder="Workflow or run id"
            value={runs.search}
            onChange={({ target }) => runs.setSearch(target.value)}
            className="h-9 min-w-52 flex-1 rounded-lg border border-line-strong bg-surface px-3 text-sm placeholder:text-muted sm:max-w-xs"
          />
        )}
        <Select
          aria-label="Run status"
          className="h-9 w-auto"
          value={runs.status}
          onChange={({ target }) => runs.setStatus(RunStatus.safeParse(target.value).data ?? '')}
        >
          <option value="">Any status</option>
          {runs.statuses.map((status) => (
            <option key={status} value={status}>
              {lookOfStatus(status).word}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Started"
          className="h-9 w-auto"
          value={runs.period}
          onChange={({ target }) => runs.setPeriod(target.value as Period)}
        >
          {Object.entries(runs.periods).map(([period, name]) => (
            <option key={period} value={period}>
              {name}
            </option>
          ))}
        </Select>
      </search>
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!items && !error ? <SkeletonRows count={3} /> : null}
      {items?.length === 0 ? (
        <EmptyState icon={Activity} title={runs.isFiltered ? 'No run fits' : 'No runs yet'}>
          <p>
            {runs.isFiltered ? 'Try another status or time.' : 'Runs appear here as soon as something starts them.'}
          </p>
        </EmptyState>
      ) : null}
      {items && items.length > 0 ? (
        <List label="Runs">
          {items.map((run) => (
            <Row key={run.id} className="relative hover:bg-hover">
              <span className="w-28 shrink-0">
                <RunStatusBadge status={run.status} />
              </span>
              <RowText
                title={
                  <Link
                    href={path(`/workflows/${run.workflowId}/runs/${run.id}`)}
                    className="font-mono text-[0.8125rem] after:absolute after:inset-0 after:content-['']"
                  >
                    {run.id}
                  </Link>
                }
              >
                {describeRun(run)}
              </RowText>
              <Time at={run.createdAt} className="text-[0.8125rem] text-muted" />
            </Row>
          ))}
        </List>
      ) : null}
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
    </div>
  );
}
