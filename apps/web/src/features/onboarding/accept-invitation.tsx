'use client';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Notice, Skeleton } from '../../ui/surfaces.tsx';
import { AuthCard } from '../auth/auth-card.tsx';
import { useSignOut } from '../shell/use-sign-out.ts';
import { useAcceptInvitation } from './use-accept-invitation.ts';

const RETURN = `returnTo=${encodeURIComponent('/accept-invitation')}`;

export function AcceptInvitation() {
  const { view, email, isPending, message, accept, putAway } = useAcceptInvitation();
  const signOut = useSignOut();
  return (
    <AuthCard title="You are invited" about={ABOUT[view]}>
      {view === 'loading' ? <Skeleton className="h-10" /> : null}
      {view === 'missing' ? <ButtonLink href="/home">Go on without it</ButtonLink> : null}
      {view === 'stranger' ? (
        <div className="grid gap-3">
          <ButtonLink href={`/sign-up?${RETURN}`}>Create an account</ButtonLink>
          <ButtonLink href={`/sign-in?${RETURN}`} look="secondary">
            Sign in
          </ButtonLink>
        </div>
      ) : null}
      {view === 'ready' ? (
        <>
          <p className="text-sm">
            Signed in as <strong className="font-semibold">{email}</strong>.
          </p>
          <div className="grid gap-3">
            <Button isBusy={isPending} onClick={accept}>
              Accept the invitation
            </Button>
            <Button look="ghost" onClick={putAway}>
              Not now
            </Button>
          </div>
        </>
      ) : null}
      {view === 'wrong-account' ? (
        <>
          <Notice>This invitation is for another address than {email}.</Notice>
          <div className="grid gap-3">
            <Button onClick={signOut}>Sign out and use the invited address</Button>
            <Button look="ghost" onClick={putAway}>
              Stay as {email}
            </Button>
          </div>
        </>
      ) : null}
      {view === 'refused' ? (
        <>
          <Notice>{message}</Notice>
          <Button look="secondary" onClick={putAway}>
            Go on without it
          </Button>
        </>
      ) : null}
    </AuthCard>
  );
}

const ABOUT = {
  loading: 'One moment.',
  missing: 'This link is not complete; open the link of the mail again.',
  stranger: 'Sign in with the address that was invited, or create an account for it.',
  ready: 'Join the organization that invited you.',
  'wrong-account': 'You are signed in with another account.',
  refused: 'The invitation cannot be accepted.',
} as const;
