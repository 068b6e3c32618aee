import { redirect } from 'next/navigation';

/** Mails about an organization lead here. */
export default async function OrganizationPage({ params }: { params: Promise<{ slug: string }> }) {
  const { slug } = await params;
  redirect(`/orgs/${encodeURIComponent(slug)}/workflows`);
}
