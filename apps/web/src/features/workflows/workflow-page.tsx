'use client';
import { Failure } from '../../ui/failure.tsx';
import { Skeleton } from '../../ui/surfaces.tsx';
import { useWorkflow } from './use-workflow.ts';
import { WorkflowEditor } from './workflow-editor.tsx';

export function WorkflowPage({ workflowId }: { workflowId: string }) {
  const { data, error, refetch } = useWorkflow(workflowId);
  if (data) return <WorkflowEditor key={data.id} workflow={data} />;
  if (error) return <Failure error={error} onRetry={refetch} />;
  return (
    <div role="status" aria-label="Loading" className="grid gap-4">
      <Skeleton className="h-8 w-64" />
      <Skeleton className="h-100 w-full rounded-xl" />
    </div>
  );
}
