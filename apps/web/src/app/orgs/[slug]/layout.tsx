import type { ReactNode } from 'react';
import { Workspace } from '../../../features/shell/workspace.tsx';

interface OrganizationLayoutProps {
  params: Promise<{ slug: string }>;
  children: ReactNode;
}

export default async function OrganizationLayout({ params, children }: OrganizationLayoutProps) {
  const { slug } = await params;
  return <Workspace slug={slug}>{children}</Workspace>;
}
