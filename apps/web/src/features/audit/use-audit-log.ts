'use client';
import { listAuditEntries } from '@millrace/shared/contracts/audit';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useMembers } from '../members/use-members.ts';
import { useOrganization } from '../organizations/use-organization.ts';

export function useAuditLog() {
  const { organization } = useOrganization();
  const [actorUserId, setActor] = useState('');
  const members = useMembers();
  const pages = usePages({
    key: ['orgs', organization.id, 'audit', actorUserId],
    read: (cursor, signal) => {
      const query = { cursor, actorUserId: actorUserId || undefined };
      return callApi(listAuditEntries, { params: { orgId: organization.id }, query, signal });
    },
    items: (page) => page.entries,
  });
  return { pages, actorUserId, setActor, members: members.data ?? [] };
}
