import type { Metadata } from 'next';
import { RunPage } from '../../../../../../../features/runs/run-page.tsx';

export const metadata: Metadata = { title: 'Run' };

export default async function RunRoute({ params }: { params: Promise<{ workflowId: string; runId: string }> }) {
  const address = await params;
  // A run that is started from this page is another page: nothing chosen here counts there.
  return <RunPage key={address.runId} {...address} />;
}
