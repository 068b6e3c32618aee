import type { Metadata } from 'next';
import { NewOrganization } from '../../features/onboarding/new-organization.tsx';

export const metadata: Metadata = { title: 'Make an organization' };

export default function NewOrganizationPage() {
  return <NewOrganization />;
}
