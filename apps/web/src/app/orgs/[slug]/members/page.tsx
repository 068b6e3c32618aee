import type { Metadata } from 'next';
import { Members } from '../../../../features/members/members.tsx';

export const metadata: Metadata = { title: 'Members' };

export default function MembersPage() {
  return <Members />;
}
