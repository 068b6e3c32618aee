import type { MailContent } from '../mailer.ts';
import { composeMail } from './letter.ts';

export interface IdentityLinkedMail {
  email: string;
  /** As people know it: `Google`. */
  provider: string;
  /** The address at the provider, which may be another one. */
  providerEmail: string;
  linkedAt: Date;
  /** Where a new password can be asked for. */
  url: string;
}

/** Tells the owner of an account that there is a new way into it. */
export function identityLinkedMail({ email, provider, providerEmail, linkedAt, url }: IdentityLinkedMail): MailContent {
  return composeMail({
    subject: `${provider} was linked to your account`,
    paragraphs: [
      `Since ${linkedAt.toUTCString()} the ${provider} account ${providerEmail} can sign in to Millrace as ${email}.`,
      `If that was you, nothing is left to do. If it was not, set a new password at once, then sign in and unlink ${provider}: it keeps working when only the password changes.`,
    ],
    action: { label: 'It was not me', url },
    closing: 'You get this mail whenever a provider is linked to your account.',
  });
}
