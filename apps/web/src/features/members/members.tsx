'use client';
import { UserPlus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List } from '../../ui/list.tsx';
import { PageHeader, SkeletonRows } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { InviteDialog } from './invite-dialog.tsx';
import { MemberRow } from './member-row.tsx';
import { PendingInvitations } from './pending-invitations.tsx';
import { useMembers } from './use-members.ts';

export function Members() {
  const { organization, can } = useOrganization();
  const { data, error, refetch } = useMembers();
  const [isInviting, setInviting] = useState(false);
  return (
    <>
      <PageHeader title="Members" about={`Who belongs to ${organization.name}, and what they may do.`}>
        {can('invitation:write') ? (
          <Button onClick={() => setInviting(true)}>
            <UserPlus aria-hidden /> Invite
          </Button>
        ) : null}
      </PageHeader>
      {data ? (
        <List label="Members">
          {data.map((member) => (
            <MemberRow key={member.userId} member={member} />
          ))}
        </List>
      ) : null}
      {!data && !error ? <SkeletonRows count={3} /> : null}
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {can('invitation:read') ? <PendingInvitations /> : null}
      <InviteDialog isOpen={isInviting} onOpenChange={setInviting} />
    </>
  );
}
