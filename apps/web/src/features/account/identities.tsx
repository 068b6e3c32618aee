'use client';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Failure } from '../../ui/failure.tsx';
import { List, Row, RowText } from '../../ui/list.tsx';
import { Section, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { ProviderMark } from '../auth/provider-mark.tsx';
import { PROVIDER_NAMES } from '../auth/provider-names.ts';
import type { SignInWay } from './sign-in-ways.ts';
import { useIdentities } from './use-identities.ts';

/** Nothing at all where this server has no providers and nobody is linked. */
export function Identities() {
  const { ways, error, retry, link, unlink } = useIdentities();
  if (ways?.length === 0) return null;
  return (
    <Section title="Ways to sign in" about="Accounts at other services that sign you in here.">
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!ways && !error ? <SkeletonRows count={1} /> : null}
      {ways ? (
        <List label="Ways to sign in">
          {ways.map((way) => (
            <Way key={way.provider} {...way} link={link} unlink={unlink} />
          ))}
        </List>
      ) : null}
    </Section>
  );
}

function Way({
  provider,
  identity,
  link,
  unlink,
}: SignInWay & Pick<ReturnType<typeof useIdentities>, 'link' | 'unlink'>) {
  const [isAsking, setAsking] = useState(false);
  const name = PROVIDER_NAMES[provider];
  return (
    <Row>
      <span className="grid size-8 shrink-0 place-items-center rounded-lg border border-line bg-sunken">
        <ProviderMark provider={provider} />
      </span>
      <RowText title={name}>
        {identity ? (
          <>
            {identity.email} · used <Time at={identity.lastUsedAt} />
          </>
        ) : (
          'Not linked'
        )}
      </RowText>
      {identity ? (
        <Button look="ghost" size="sm" aria-label={`Unlink ${name}`} onClick={() => setAsking(true)}>
          Unlink
        </Button>
      ) : (
        <Button
          look="secondary"
          size="sm"
          aria-label={`Link ${name}`}
          isBusy={link.busyWith === provider}
          onClick={() => link.start(provider)}
        >
          Link
        </Button>
      )}
      <Confirm
        title={`Unlink ${name}?`}
        about={`You no longer sign in with ${identity?.email ?? 'it'} at ${name}. You can link it again.`}
        action="Unlink"
        isOpen={isAsking}
        isBusy={unlink.isBusy}
        onConfirm={() => unlink.start(provider, { onSettled: () => setAsking(false) })}
        onClose={() => setAsking(false)}
      />
    </Row>
  );
}
