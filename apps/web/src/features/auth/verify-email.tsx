'use client';
import { useMailedToken } from '../../lib/mailed-token.ts';
import { sayError } from '../../lib/say-error.ts';
import { ButtonLink } from '../../ui/button.tsx';
import { Notice, Skeleton } from '../../ui/surfaces.tsx';
import { SignedInOnly } from '../shell/signed-in-only.tsx';
import { AuthCard } from './auth-card.tsx';
import { useVerifyEmail } from './use-verify-email.ts';

export function VerifyEmail() {
  // Out here, so that it is kept also while somebody has to sign in first.
  const token = useMailedToken('verify-email');
  return (
    <SignedInOnly>
      <Verification token={token} />
    </SignedInOnly>
  );
}

function Verification({ token }: { token: string | null | undefined }) {
  const { isDone, error, isMissing } = useVerifyEmail(token);
  return (
    <AuthCard title="Confirm your e-mail address">
      {isDone ? <Notice tone="success">Your e-mail address is confirmed.</Notice> : null}
      {error ? <Notice>{sayError(error)}</Notice> : null}
      {isMissing ? <Notice>This link is not complete; open the link of the newest mail again.</Notice> : null}
      {isDone || error || isMissing ? <ButtonLink href="/home">Go on</ButtonLink> : <Skeleton className="h-10" />}
    </AuthCard>
  );
}
