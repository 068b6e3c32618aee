'use client';
import dynamic from 'next/dynamic';
import { Failure } from '../../ui/failure.tsx';
import { Skeleton } from '../../ui/surfaces.tsx';
import { useWorkflow } from '../workflows/use-workflow.ts';

// The canvas measures the screen, so it is made in the browser only; and nobody else should load it.
const Editor = dynamic(() => import('./editor.tsx').then((part) => part.Editor), { ssr: false, loading: Loading });

export function EditorPage({ workflowId }: { workflowId: string }) {
  const { data, error, refetch } = useWorkflow(workflowId);
  if (data) return <Editor key={data.id} workflow={data} />;
  if (error) return <Failure error={error} onRetry={refetch} />;
  return <Loading />;
}

function Loading() {
  return (
    <div role="status" aria-label="Loading" className="grid gap-4">
      <Skeleton className="h-10 w-full" />
      <Skeleton className="h-[70dvh] w-full rounded-xl" />
    </div>
  );
}
