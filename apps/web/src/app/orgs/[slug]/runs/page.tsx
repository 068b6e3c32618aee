import type { Metadata } from 'next';
import { OrganizationRuns } from '../../../../features/runs/organization-runs.tsx';

export const metadata: Metadata = { title: 'Runs' };

export default function OrganizationRunsPage() {
  return <OrganizationRuns />;
}
