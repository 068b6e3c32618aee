import { DatabaseZap, GitBranch, ShieldCheck } from 'lucide-react';
import { ButtonLink } from '../../ui/button.tsx';
import { Logo } from '../../ui/logo.tsx';
import { Card } from '../../ui/surfaces.tsx';

const PROMISES = [
  {
    icon: DatabaseZap,
    title: 'Runs that end',
    text: 'An accepted run is stored before it is confirmed. When a worker dies, another one goes on at the first step without a result.',
  },
  {
    icon: ShieldCheck,
    title: 'Organizations kept apart',
    text: 'The database itself keeps each organization’s rows away from every other. A forgotten check is an error, never a leak.',
  },
  {
    icon: GitBranch,
    title: 'Workflows you can read',
    text: 'Steps, branches, loops, approvals and schedules in one JSON document with versions, retries and a timeline of each run.',
  },
];

/** What this is, for somebody who never heard of it. */
export function Landing() {
  return (
    <div className="mx-auto flex min-h-dvh max-w-5xl flex-col px-6">
      <header className="flex h-18 items-center justify-between">
        <Logo />
        <nav aria-label="Account" className="flex items-center gap-2">
          <ButtonLink href="/sign-in" look="ghost" size="sm">
            Sign in
          </ButtonLink>
          <ButtonLink href="/sign-up" look="secondary" size="sm">
            Create account
          </ButtonLink>
        </nav>
      </header>
      <main className="grid flex-1 content-center gap-14 py-16">
        <div className="grid max-w-2xl gap-6">
          <h1 className="text-4xl leading-tight font-semibold tracking-tight text-balance sm:text-5xl">
            Automation that finishes what it starts
          </h1>
          <p className="max-w-xl text-lg text-muted">
            Millrace connects your systems with workflows and runs them durably. It is open source, you host it
            yourself, and every organization’s data stays its own.
          </p>
          <div className="flex flex-wrap gap-3">
            <ButtonLink href="/sign-up">Create an account</ButtonLink>
            <ButtonLink href="/sign-in" look="secondary">
              Sign in
            </ButtonLink>
          </div>
        </div>
        <ul className="grid gap-4 md:grid-cols-3">
          {PROMISES.map(({ icon: Icon, title, text }) => (
            <li key={title}>
              <Card className="grid h-full content-start gap-2.5 p-5">
                <Icon aria-hidden className="size-5 text-accent" />
                <h2 className="font-semibold">{title}</h2>
                <p className="text-sm text-muted">{text}</p>
              </Card>
            </li>
          ))}
        </ul>
      </main>
      <footer className="border-t border-line py-6 text-sm text-muted">Apache-2.0. Your server, your data.</footer>
    </div>
  );
}
