'use client';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { Card, PageHeader, Section, SkeletonRows } from '../../ui/surfaces.tsx';
import { PlainPage } from '../shell/plain-page.tsx';
import { useMe } from '../shell/use-me.ts';
import { ChangePassword } from './change-password.tsx';
import { Identities } from './identities.tsx';
import { Sessions } from './sessions.tsx';
import { useSendVerification } from './use-account.ts';

export function Account() {
  return (
    <PlainPage>
      <AccountSections />
    </PlainPage>
  );
}

function AccountSections() {
  const { data, error, refetch } = useMe();
  const verification = useSendVerification();
  if (error) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <SkeletonRows count={3} />;
  return (
    <>
      <PageHeader title="Your account" about={data.user.email} />
      {data.emailVerified ? null : (
        <Card className="flex flex-wrap items-center justify-between gap-4 p-5">
          <p className="text-sm">Your e-mail address is not confirmed yet.</p>
          <Button look="secondary" size="sm" isBusy={verification.isBusy} onClick={() => verification.start()}>
            Send the mail again
          </Button>
        </Card>
      )}
      <Identities />
      <Sessions />
      {data.hasPassword ? (
        <Section title="Password">
          <ChangePassword />
        </Section>
      ) : (
        <Section title="Password" about="You sign in without one. A mailed link sets a password as well.">
          <div>
            <ButtonLink href="/forgot-password" look="secondary" size="sm">
              Set a password by mail
            </ButtonLink>
          </div>
        </Section>
      )}
    </>
  );
}
