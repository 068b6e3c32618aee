'use client';
import { Plus, Search } from 'lucide-react';
import Link from 'next/link';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { Select } from '../../ui/field.tsx';
import { LongList, More, RowText } from '../../ui/list.tsx';
import { EmptyState, PageHeader, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { RunStatusBadge } from '../runs/run-status-badge.tsx';
import { EmptyWorkspace } from './empty-workspace.tsx';
import { SCRATCH } from './templates.ts';
import { type StatusFilter, useLastRun, useNewWorkflow, useWorkflowList } from './use-workflow-list.ts';
import { WorkflowBadges } from './workflow-badges.tsx';

export function WorkflowList() {
  const { can, path } = useOrganization();
  const { pages, search, setSearch, status, setStatus, isFiltered } = useWorkflowList();
  const { items, error, retry, hasMore, isReadingMore, readMore } = pages;
  const create = useNewWorkflow();
  const isEmpty = items?.length === 0;
  return (
    <>
      <PageHeader title="Workflows">
        {can('workflow:write') && !(isEmpty && !isFiltered) ? (
          <Button isBusy={create.isBusy} onClick={() => create.start({ name: 'Untitled workflow', dsl: SCRATCH })}>
            <Plus aria-hidden /> New workflow
          </Button>
        ) : null}
      </PageHeader>
      {isEmpty && !isFiltered ? (
        <EmptyWorkspace />
      ) : (
        <search className="flex flex-wrap gap-2">
          <div className="relative min-w-52 flex-1 sm:max-w-xs">
            <Search
              aria-hidden
              className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-muted"
            />
            <input
              type="search"
              aria-label="Search workflows"
              placeholder="Search"
              value={search}
              onChange={({ target }) => setSearch(target.value)}
              className="h-9 w-full rounded-lg border border-line-strong bg-surface pr-3 pl-9 text-sm placeholder:text-muted"
            />
          </div>
          <Select
            aria-label="Status"
            className="h-9 w-auto"
            value={status}
            onChange={({ target }) => setStatus(target.value as StatusFilter)}
          >
            <option value="">All</option>
            <option value="published">Published</option>
            <option value="draft">Drafts</option>
          </Select>
        </search>
      )}
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!items && !error ? <SkeletonRows /> : null}
      {isEmpty && isFiltered ? (
        <EmptyState icon={Search} title="No workflow fits">
          <p>Try another word or status.</p>
        </EmptyState>
      ) : null}
      {items && !isEmpty ? (
        <LongList label="Workflows" items={items} keyOf={({ id }) => id} rowHeight={66} rowClassName="hover:bg-hover">
          {(workflow) => (
            <>
              <RowText
                title={
                  <Link
                    href={path(`/workflows/${workflow.id}`)}
                    className="after:absolute after:inset-0 after:content-['']"
                  >
                    {workflow.name}
                  </Link>
                }
              >
                changed <Time at={workflow.updatedAt} />
                {workflow.nextFireAt ? (
                  <>
                    {' '}
                    · next run <Time at={workflow.nextFireAt} />
                  </>
                ) : null}
              </RowText>
              <LastRun workflowId={workflow.id} />
              <WorkflowBadges workflow={workflow} />
            </>
          )}
        </LongList>
      ) : null}
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
    </>
  );
}

function LastRun({ workflowId }: { workflowId: string }) {
  const run = useLastRun(workflowId);
  if (run === undefined) return null;
  if (run === null) return <span className="text-[0.8125rem] text-muted">never ran</span>;
  return (
    <span className="flex items-center gap-2 text-[0.8125rem] text-muted">
      <RunStatusBadge status={run.status} /> <Time at={run.createdAt} />
    </span>
  );
}
