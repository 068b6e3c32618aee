import type { MailContent } from '../mailer.ts';
import { composeMail } from './letter.ts';

export interface VerifyEmailMail {
  email: string;
  expiresAt: Date;
  url: string;
}

/** Asks for proof that an address belongs to whoever signed up with it. */
export function verifyEmailMail({ email, expiresAt, url }: VerifyEmailMail): MailContent {
  return composeMail({
    subject: 'Confirm your e-mail address',
    paragraphs: [
      `Somebody signed up for Millrace with ${email}. If that was you, sign in and confirm that the address is yours.`,
      `The link works once, until ${expiresAt.toUTCString()}.`,
    ],
    action: { label: 'Confirm the address', url },
    closing: 'If it was not you, leave this mail alone: without you the address stays unconfirmed.',
  });
}
