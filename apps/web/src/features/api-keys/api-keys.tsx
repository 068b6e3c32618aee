'use client';
import { KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List, More, Row, RowText } from '../../ui/list.tsx';
import { Badge, EmptyState, PageHeader, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { NewApiKey } from './new-api-key.tsx';
import { useApiKeys } from './use-api-keys.ts';

export function ApiKeys() {
  const { can } = useOrganization();
  const { pages, revoke } = useApiKeys();
  const { items, error, retry, hasMore, isReadingMore, readMore } = pages;
  const [isMaking, setMaking] = useState(false);
  const makeButton = can('api-key:write') ? (
    <Button onClick={() => setMaking(true)}>
      <Plus aria-hidden /> New key
    </Button>
  ) : null;
  return (
    <>
      <PageHeader
        title="API keys"
        about="For programs. A key acts for whoever made it, and never holds more than their role."
      >
        {items && items.length > 0 ? makeButton : null}
      </PageHeader>
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!items && !error ? <SkeletonRows count={3} /> : null}
      {items?.length === 0 ? (
        <EmptyState icon={KeyRound} title="No keys yet">
          <p>Make one for a program that starts runs or manages workflows through the API.</p>
          {makeButton}
        </EmptyState>
      ) : null}
      {items && items.length > 0 ? (
        <List label="API keys">
          {items.map(({ id, name, keyHint, permissions, expiresAt, lastUsedAt }) => (
            <Row key={id}>
              <RowText title={name}>
                …{keyHint} · {permissions.join(', ')}
              </RowText>
              <span className="text-[0.8125rem] text-muted">
                {lastUsedAt ? (
                  <>
                    used <Time at={lastUsedAt} />
                  </>
                ) : (
                  'never used'
                )}
              </span>
              <Badge>
                {expiresAt ? (
                  <>
                    ends <Time at={expiresAt} />
                  </>
                ) : (
                  'does not end'
                )}
              </Badge>
              {can('api-key:write') ? (
                <Button
                  look="ghost"
                  size="sm"
                  aria-label={`Revoke ${name}`}
                  isBusy={revoke.busyWith === id}
                  onClick={() => revoke.start(id)}
                >
                  Revoke
                </Button>
              ) : null}
            </Row>
          ))}
        </List>
      ) : null}
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
      <Dialog title="New API key" isOpen={isMaking} onOpenChange={setMaking}>
        <NewApiKey onClose={() => setMaking(false)} />
      </Dialog>
    </>
  );
}
