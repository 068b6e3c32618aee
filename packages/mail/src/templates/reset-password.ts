import type { MailContent } from '../mailer.ts';
import { composeMail } from './letter.ts';

export interface ResetPasswordMail {
  email: string;
  expiresAt: Date;
  url: string;
}

/** The link with which somebody who cannot sign in sets a new password. */
export function resetPasswordMail({ email, expiresAt, url }: ResetPasswordMail): MailContent {
  return composeMail({
    subject: 'Set a new password',
    paragraphs: [
      `Somebody asked for a new password for ${email}. If that was you, choose one now; you are signed out everywhere then.`,
      `The link works once, until ${expiresAt.toUTCString()}. A newer mail like this one makes it stop working.`,
    ],
    action: { label: 'Choose a new password', url },
    closing: 'If it was not you, leave this mail alone: your password stays as it is.',
  });
}
