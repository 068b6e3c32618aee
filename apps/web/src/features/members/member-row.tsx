'use client';
import type { listMembers } from '@millrace/shared/contracts/organizations';
import { RoleKey } from '@millrace/shared/permissions';
import { useState } from 'react';
import type { ApiAnswer } from '../../lib/call-api.ts';
import { sayDate } from '../../lib/time.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Select } from '../../ui/field.tsx';
import { Row, RowText } from '../../ui/list.tsx';
import { Badge } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { grantableRoles, ROLE_NAMES, removalOf } from './roles.ts';
import { useMemberActions } from './use-members.ts';

type Member = ApiAnswer<typeof listMembers>['members'][number];

export function MemberRow({ member }: { member: Member }) {
  const access = useOrganization();
  const { changeRole, remove } = useMemberActions();
  const [isAsking, setAsking] = useState(false);
  const roles = grantableRoles(access, member);
  const removal = removalOf(access, member);
  const name = member.displayName ?? member.email;
  return (
    <Row>
      <span className="grid size-8 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent uppercase">
        {name.slice(0, 1)}
      </span>
      <RowText
        title={
          <>
            {name}
            {member.userId === access.userId ? <span className="font-normal text-muted"> (you)</span> : null}
          </>
        }
      >
        {member.displayName ? `${member.email} · ` : null}since {sayDate(member.createdAt)}
      </RowText>
      {roles.length > 0 ? (
        <Select
          aria-label={`Role of ${name}`}
          className="h-9 w-auto"
          value={member.roleKey}
          disabled={changeRole.isBusy}
          onChange={({ target }) => changeRole.start({ memberId: member.userId, roleKey: RoleKey.parse(target.value) })}
        >
          {roles.map((role) => (
            <option key={role} value={role}>
              {ROLE_NAMES[role]}
            </option>
          ))}
        </Select>
      ) : (
        <Badge>{ROLE_NAMES[member.roleKey]}</Badge>
      )}
      {removal ? (
        <Button
          look="ghost"
          size="sm"
          aria-label={removal === 'leave' ? 'Leave' : `Remove ${name}`}
          onClick={() => setAsking(true)}
        >
          {removal === 'leave' ? 'Leave' : 'Remove'}
        </Button>
      ) : null}
      <Confirm
        title={removal === 'leave' ? `Leave ${access.organization.name}?` : `Remove ${name}?`}
        about={
          removal === 'leave'
            ? 'You need a new invitation to come back. What you made stays.'
            : 'They lose access at once, and their API keys stop working. What they made stays.'
        }
        action={removal === 'leave' ? 'Leave organization' : 'Remove member'}
        isOpen={isAsking}
        isBusy={remove.isBusy}
        onConfirm={() => remove.start(member.userId, { onSettled: () => setAsking(false) })}
        onClose={() => setAsking(false)}
      />
    </Row>
  );
}
