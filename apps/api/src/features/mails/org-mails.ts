import { takeOrgMails } from '@millrace/db/mails';
import { organizationInvitations } from '@millrace/db/schema/invitations';
import { orgMails } from '@millrace/db/schema/org-mails';
import { organizations } from '@millrace/db/schema/organizations';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { MailContent } from '@millrace/mail/mailer';
import { invitationMail } from '@millrace/mail/templates/invitation';
import { Id } from '@millrace/shared/ids';
import { and, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { isInvitation, isPending } from '../invitations/rows.ts';
import { type DueMail, type SenderParts, unknownTemplate } from './due-mail.ts';
import { remakeMailToken, webLink } from './mail-token.ts';

type Row = typeof orgMails.$inferSelect;
type DueOrgMail = DueMail & { orgId: string };

const InvitationData = z.strictObject({ invitationId: Id, generation: z.int() });

/** Due mails of organizations, of any of them, by turns. `busyOrgIds`: one for each mail that is under way. */
export async function takeDueOrgMails(
  parts: SenderParts,
  options: { limit: number; leaseSec: number; busyOrgIds: readonly string[] },
): Promise<DueOrgMail[]> {
  const taken = await takeOrgMails(parts.db, options);
  const mails = await Promise.all(taken.map(({ orgId, id }) => findMail(parts, orgId, id)));
  return mails.filter((mail) => mail !== undefined);
}

/** Undefined when the organization went away since the mail was taken. */
async function findMail(parts: SenderParts, orgId: string, id: string): Promise<DueOrgMail | undefined> {
  const within = <T>(act: (tx: OrgTx) => Promise<T>) => withOrg(parts.db, orgId, act);
  const isThis = and(eq(orgMails.orgId, orgId), eq(orgMails.id, id));
  const [row] = await within((tx) => tx.select().from(orgMails).where(isThis));
  if (!row) return undefined;
  return {
    ...row,
    write: () => within((tx) => write(parts, tx, row)),
    remove: async () => void (await within((tx) => tx.delete(orgMails).where(isThis))),
    postpone: async (seconds) => {
      const nextAttemptAt = sql`now() + make_interval(secs => ${seconds})`;
      await within((tx) => tx.update(orgMails).set({ nextAttemptAt }).where(isThis));
    },
  };
}

async function write(parts: SenderParts, tx: OrgTx, row: Row): Promise<MailContent | null> {
  switch (row.template) {
    case 'invitation':
      return writeInvitation(parts, tx, row);
    default:
      throw unknownTemplate(row.template);
  }
}

/** Nothing for an invitation that was accepted, revoked or sent again since. */
async function writeInvitation({ config }: SenderParts, tx: OrgTx, row: Row): Promise<MailContent | null> {
  const { invitationId, generation } = InvitationData.parse(row.data);
  const [found] = await tx
    .select({
      invitation: organizationInvitations,
      organizationName: organizations.name,
      inviter: sql<string>`coalesce(${users.displayName}, ${users.email})`,
    })
    .from(organizationInvitations)
    .innerJoin(organizations, eq(organizations.id, organizationInvitations.orgId))
    .innerJoin(users, eq(users.id, organizationInvitations.invitedByUserId))
    .where(and(isInvitation(tx, invitationId), isPending(), eq(organizationInvitations.generation, generation)));
  if (!found) return null;
  const { email, roleKey, expiresAt, tokenHash } = found.invitation;
  const { organizationName, inviter } = found;
  const of = { purpose: 'invitation', id: invitationId, generation } as const;
  const token = remakeMailToken(config.AUTH_TOKEN_SECRET, of, tokenHash);
  const url = webLink(config.WEB_BASE_URL, '/accept-invitation', token);
  return invitationMail({ organizationName, inviter, roleKey, email, expiresAt, url });
}
