import { type TakenAccountMail, takeAccountMails } from '@millrace/db/mails';
import { type AccountTokenPurpose, accountMails, accountTokens } from '@millrace/db/schema/account-mail';
import { userIdentities } from '@millrace/db/schema/identities';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { MailContent } from '@millrace/mail/mailer';
import { identityLinkedMail } from '@millrace/mail/templates/identity-linked';
import { passwordChangedMail } from '@millrace/mail/templates/password-changed';
import { resetPasswordMail } from '@millrace/mail/templates/reset-password';
import { verifyEmailMail } from '@millrace/mail/templates/verify-email';
import type { ApiConfig } from '@millrace/shared/config';
import { OAuthProvider } from '@millrace/shared/contracts/auth';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { lockUserByEmail, type UserRow } from '../auth/user-rows.ts';
import { findLiveToken, issueAccountToken } from './account-tokens.ts';
import { type DueMail, type SenderParts, unknownTemplate } from './due-mail.ts';
import { remakeMailToken, webLink } from './mail-token.ts';

type Row = TakenAccountMail;
type Token = typeof accountTokens.$inferSelect;

const PROVIDER_NAMES: Record<OAuthProvider, string> = { google: 'Google', github: 'GitHub' };

const IdentityLinkedData = z.strictObject({ provider: OAuthProvider, providerEmail: z.string() });

/** Somebody who asked for a new password this long ago has asked again or given up. */
const RESET_MAX_AGE_SEC = 3600;

/** Due mails about accounts: links that prove an address, and news about the ways in. */
export async function takeDueAccountMails(parts: SenderParts, limit: number, leaseSec: number): Promise<DueMail[]> {
  const rows = await takeAccountMails(parts.db, limit, leaseSec);
  return rows.map((row) => toDueMail(parts, row));
}

function toDueMail(parts: SenderParts, row: Row): DueMail {
  const isThis = eq(accountMails.id, row.id);
  const within = <T>(act: (tx: PlainTx) => Promise<T>) => withoutOrg(parts.db, act);
  return {
    ...row,
    write: () => within((tx) => write(parts, tx, row)),
    remove: async () => void (await within((tx) => tx.delete(accountMails).where(isThis))),
    postpone: async (seconds) => {
      const nextAttemptAt = sql`now() + make_interval(secs => ${seconds})`;
      await within((tx) => tx.update(accountMails).set({ nextAttemptAt }).where(isThis));
    },
  };
}

async function write(parts: SenderParts, tx: PlainTx, row: Row): Promise<MailContent | null> {
  switch (row.template) {
    case 'verify-email':
      return writeVerification(parts, tx, row);
    case 'reset-password':
      return writeReset(parts, tx, row);
    case 'password-changed':
      return writePasswordChanged(parts, tx, row);
    case 'identity-linked':
      return writeIdentityLinked(parts, row);
    default:
      throw unknownTemplate(row.template);
  }
}

async function writeVerification({ config }: SenderParts, tx: PlainTx, row: Row): Promise<MailContent | null> {
  const token = await findLiveToken(tx, row.id);
  if (!token) return null;
  const url = linkOf(config, token, 'verify_email', '/verify-email');
  return verifyEmailMail({ email: row.recipient, expiresAt: token.expiresAt, url });
}

/**
 * Only here is it found out whether the address has an account. The token is issued with the mail's id: a second try
 * after a failure finds it and sends the same link, unless it was spent, replaced or outlived meanwhile.
 */
async function writeReset({ config }: SenderParts, tx: PlainTx, row: Row): Promise<MailContent | null> {
  if (row.ageSec > RESET_MAX_AGE_SEC) return null;
  const user = await lockUserByEmail(tx, row.recipient);
  if (!user || user.disabledAt) return null;
  const [issuedBefore] = await tx.select().from(accountTokens).where(eq(accountTokens.id, row.id));
  const token = issuedBefore ? await findLiveToken(tx, row.id) : await issueReset(config, tx, user, row.id);
  if (!token) return null;
  const url = linkOf(config, token, 'reset_password', '/reset-password');
  return resetPasswordMail({ email: row.recipient, expiresAt: token.expiresAt, url });
}

async function issueReset(config: ApiConfig, tx: PlainTx, user: UserRow, id: string) {
  const issued = await issueAccountToken(config, tx, user, { id, purpose: 'reset_password' });
  return 'token' in issued ? issued.token : undefined;
}

async function writePasswordChanged({ config }: SenderParts, tx: PlainTx, row: Row): Promise<MailContent> {
  const linked = row.userId ? await tx.select().from(userIdentities).where(eq(userIdentities.userId, row.userId)) : [];
  const providers = linked.map(({ provider }) => PROVIDER_NAMES[provider]).toSorted();
  const url = webLink(config.WEB_BASE_URL, '/forgot-password');
  return passwordChangedMail({ email: row.recipient, changedAt: row.createdAt, providers, url });
}

function writeIdentityLinked({ config }: SenderParts, row: Row): MailContent {
  const { provider, providerEmail } = IdentityLinkedData.parse(row.data);
  const url = webLink(config.WEB_BASE_URL, '/forgot-password');
  const told = { provider: PROVIDER_NAMES[provider], providerEmail, linkedAt: row.createdAt, url };
  return identityLinkedMail({ email: row.recipient, ...told });
}

function linkOf(config: ApiConfig, { id, tokenHash }: Token, purpose: AccountTokenPurpose, path: `/${string}`): string {
  const token = remakeMailToken(config.AUTH_TOKEN_SECRET, { purpose, id, generation: 0 }, tokenHash);
  return webLink(config.WEB_BASE_URL, path, token);
}
