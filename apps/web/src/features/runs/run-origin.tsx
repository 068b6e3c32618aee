'use client';
import type { Run } from '@millrace/shared/contracts/runs';
import Link from 'next/link';
import { useOrganization } from '../organizations/use-organization.ts';
import { useParentRun } from './use-parent-run.ts';

/** Links to the run that this one goes on from, and to the one whose step started it. Nothing for most runs. */
export function RunOrigin({ run }: { run: Run }) {
  const parent = useParentRun(run.parentRunId);
  return (
    <>
      {run.retryOfRunId ? <RunLink workflowId={run.workflowId} runId={run.retryOfRunId} text="Retry of a run" /> : null}
      {parent ? (
        <RunLink workflowId={parent.workflowId} runId={parent.id} text={`Started by a run of ${parent.workflowName}`} />
      ) : null}
    </>
  );
}

function RunLink({ workflowId, runId, text }: { workflowId: string; runId: string; text: string }) {
  const { path } = useOrganization();
  return (
    <Link href={path(`/workflows/${workflowId}/runs/${runId}`)} className="rounded-sm underline hover:text-ink">
      {text}
    </Link>
  );
}
