'use client';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List, Row, RowText } from '../../ui/list.tsx';
import { Badge, Section, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useSessions } from './use-account.ts';

export function Sessions() {
  const { sessions, revoke, signOutEverywhere } = useSessions();
  const { data, error, refetch } = sessions;
  return (
    <Section title="Where you are signed in">
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <SkeletonRows count={2} /> : null}
      {data ? (
        <List label="Sessions">
          {data.map(({ id, device, isCurrent, ipAddress, lastUsedAt }) => (
            <Row key={id}>
              <RowText title={device}>
                {ipAddress ? `${ipAddress} · ` : null}used <Time at={lastUsedAt} />
              </RowText>
              {isCurrent ? (
                <Badge tone="success">this device</Badge>
              ) : (
                <Button
                  look="ghost"
                  size="sm"
                  aria-label={`Sign out ${device}`}
                  isBusy={revoke.busyWith === id}
                  onClick={() => revoke.start(id)}
                >
                  Sign out
                </Button>
              )}
            </Row>
          ))}
        </List>
      ) : null}
      <div>
        <Button look="danger" size="sm" isBusy={signOutEverywhere.isBusy} onClick={() => signOutEverywhere.start()}>
          Sign out everywhere
        </Button>
      </div>
    </Section>
  );
}
