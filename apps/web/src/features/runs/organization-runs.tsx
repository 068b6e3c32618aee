'use client';
import { PageHeader } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { RunList } from './run-list.tsx';

export function OrganizationRuns() {
  const { organization } = useOrganization();
  return (
    <>
      <PageHeader title="Runs" about={`What ${organization.name} ran, the newest first.`} />
      <RunList />
    </>
  );
}
