import { accountMails } from '@millrace/db/schema/account-mail';
import { orgMails } from '@millrace/db/schema/org-mails';
import type { OrgTx, PlainTx } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';

/**
 * The outbox. A mail is a row, written in the transaction of what it tells about: it is sent if and only if that commits.
 * A row holds no token and no link. After the commit call `deps.mailSender.poke()`, so that it leaves at once; without
 * that the sender finds it a few seconds later.
 */
export type AccountMailTemplate = 'verify-email' | 'reset-password' | 'password-changed' | 'identity-linked';
export type OrgMailTemplate = 'invitation';

/**
 * A mail about an account. A token that the mail carries has the mail's id; `data` is what the template's writer in
 * `account-mails.ts` parses.
 */
export async function queueAccountMail(
  tx: PlainTx,
  mail: {
    id?: string;
    userId: string | null;
    template: AccountMailTemplate;
    recipient: string;
    data?: Record<string, unknown>;
  },
): Promise<void> {
  await tx.insert(accountMails).values({ id: newId(), ...mail });
}

/** A mail that an organization sends. `data` is what the template's row in `org-mails.ts` parses. */
export async function queueOrgMail(
  tx: OrgTx,
  mail: { template: OrgMailTemplate; recipient: string; data: Record<string, unknown> },
): Promise<void> {
  await tx.insert(orgMails).values({ orgId: tx.orgId, id: newId(), ...mail });
}
