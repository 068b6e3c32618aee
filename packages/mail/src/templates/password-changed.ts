import type { MailContent } from '../mailer.ts';
import { composeMail } from './letter.ts';

export interface PasswordChangedMail {
  email: string;
  changedAt: Date;
  /** Who can sign in without it, as people know them: `Google`. */
  providers: string[];
  /** Where a new password can be asked for. */
  url: string;
}

/** Tells the owner of an account that its password is another one now. */
export function passwordChangedMail({ email, changedAt, providers, url }: PasswordChangedMail): MailContent {
  return composeMail({
    subject: 'Your password was changed',
    paragraphs: [
      `The password of ${email} was changed on ${changedAt.toUTCString()}. Other devices were signed out.`,
      ...(providers.length > 0
        ? [`Signing in with ${providers.join(' and ')} still works; unlink what you do not know.`]
        : []),
      'If that was you, nothing is left to do. If it was not, set a new password at once: only this mailbox can do that.',
    ],
    action: { label: 'It was not me', url },
    closing: 'You get this mail whenever the password of your account changes.',
  });
}
