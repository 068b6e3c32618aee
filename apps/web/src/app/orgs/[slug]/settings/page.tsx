import type { Metadata } from 'next';
import { OrganizationSettings } from '../../../../features/organizations/organization-settings.tsx';

export const metadata: Metadata = { title: 'Settings' };

export default function OrganizationSettingsPage() {
  return <OrganizationSettings />;
}
