import type { Metadata } from 'next';
import { EditorPage } from '../../../../../../features/editor/editor-page.tsx';

export const metadata: Metadata = { title: 'Editor' };

export default async function EditorRoute({ params }: { params: Promise<{ workflowId: string }> }) {
  const { workflowId } = await params;
  return <EditorPage workflowId={workflowId} />;
}
