import type { Metadata } from 'next';
import { WorkflowPage } from '../../../../../features/workflows/workflow-page.tsx';

export const metadata: Metadata = { title: 'Workflow' };

export default async function WorkflowRoute({ params }: { params: Promise<{ workflowId: string }> }) {
  const { workflowId } = await params;
  return <WorkflowPage workflowId={workflowId} />;
}
