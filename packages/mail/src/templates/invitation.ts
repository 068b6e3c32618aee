import type { MailContent } from '../mailer.ts';
import { composeMail, oneLine } from './letter.ts';

export interface InvitationMail {
  organizationName: string;
  /** Who invites, by name or address; null when they are gone. */
  inviter: string | null;
  roleKey: string;
  /** The address that was invited: only somebody signed in with it can accept. */
  email: string;
  expiresAt: Date;
  url: string;
}

/** An invitation to an organization, with the link that accepts it. */
export function invitationMail(data: InvitationMail): MailContent {
  const organization = oneLine(data.organizationName);
  const inviter = data.inviter === null ? 'You are invited' : `${oneLine(data.inviter)} invites you`;
  return composeMail({
    subject: `Join ${organization} on Millrace`,
    paragraphs: [
      `${inviter} to join the organization “${organization}” as ${oneLine(data.roleKey)}.`,
      `Sign in or sign up with ${data.email} to accept. The link works once, until ${data.expiresAt.toUTCString()}.`,
    ],
    action: { label: 'Accept the invitation', url: data.url },
    closing: 'If you do not know who invites you, leave this mail alone: nothing happens without you.',
  });
}
