'use client';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List, More, Row, RowText } from '../../ui/list.tsx';
import { Badge, Section } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { ROLE_NAMES } from './roles.ts';
import { useInvitations } from './use-members.ts';

/** Nothing at all while there are none. */
export function PendingInvitations() {
  const { can } = useOrganization();
  const { pages, resend, revoke } = useInvitations();
  const { items, error, retry, hasMore, isReadingMore, readMore } = pages;
  if (error) return <Failure error={error} onRetry={retry} />;
  if (!items || items.length === 0) return null;
  return (
    <Section title="Invitations">
      <List label="Invitations">
        {items.map(({ id, email, roleKey, expiresAt }) => (
          <Row key={id}>
            <RowText title={email}>
              expires <Time at={expiresAt} />
            </RowText>
            <Badge>{ROLE_NAMES[roleKey]}</Badge>
            {can('invitation:write') ? (
              <span className="flex gap-1">
                <Button
                  look="ghost"
                  size="sm"
                  aria-label={`Send again to ${email}`}
                  isBusy={resend.busyWith === id}
                  onClick={() => resend.start(id)}
                >
                  Send again
                </Button>
                <Button
                  look="ghost"
                  size="sm"
                  aria-label={`Revoke ${email}`}
                  isBusy={revoke.busyWith === id}
                  onClick={() => revoke.start(id)}
                >
                  Revoke
                </Button>
              </span>
            ) : null}
          </Row>
        ))}
      </List>
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
    </Section>
  );
}
