import { takeOrgMails } from '@millrace/db/mails';
import { withoutOrg } from '@millrace/db/tenant';
import { startTestSmtp, type TestSmtpServer } from '@millrace/mail/testing';
import { eventually } from '@millrace/queue/testing';
import * as invitations from '@millrace/shared/contracts/invitations';
import { newId } from '@millrace/shared/ids';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeDeps, openDeps } from '../../deps.ts';
import { retryDelaySec } from '../../due-loop.ts';
import { call, openTestApi, signUpUser, type TestApi } from '../../testing.ts';
import { addOrganization, queryAsAdmin } from '../organizations/testing.ts';
import { queueAccountMail } from './outbox.ts';

let api: TestApi;
let smtp: TestSmtpServer | undefined;

afterEach(async () => {
  await api?.close();
  await smtp?.stop();
  smtp = undefined;
});

const sql = (text: string, values: unknown[] = []) => queryAsAdmin<Record<string, unknown>>(api, text, values);
const rows = () =>
  sql('SELECT template, attempts FROM app.account_mails UNION ALL SELECT template, attempts FROM app.org_mails');
const eventsNamed = (name: string) => api.logLines.filter(({ event }) => event === name);
/** As if the time of the next try had come. */
async function letTimePass(): Promise<void> {
  await sql('UPDATE app.account_mails SET next_attempt_at = now()');
  await sql('UPDATE app.org_mails SET next_attempt_at = now()');
  api.deps.mailSender.poke();
}
const queue = (recipient: string) =>
  withoutOrg(api.deps.db, (tx) => queueAccountMail(tx, { userId: null, template: 'password-changed', recipient }));
/** A row as a sender left it after so many tries. */
const insertRow = (attempts: number, nextAttempt: string, template = 'password-changed') =>
  sql(
    `INSERT INTO app.account_mails (id, template, recipient, attempts, next_attempt_at)
     VALUES ($1, $2, 'ada@example.com', $3, now() + $4::interval)`,
    [newId(), template, attempts, nextAttempt],
  );

it('tries are a minute apart, doubling to an hour, for about a day', () => {
  const delays = Array.from({ length: 29 }, (_, index) => retryDelaySec(index + 1));
  expect(delays.slice(0, 8)).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600]);
  expect(delays.at(-1)).toBeNull();
  const total = delays.reduce<number>((sum, delay) => sum + (delay ?? 0), 0);
  expect(total / 3600).toBeGreaterThan(22);
  expect(total / 3600).toBeLessThan(26);
});

describe('with a mail server that is away', () => {
  let port: number;
  beforeEach(async () => {
    const gone = await startTestSmtp();
    port = Number(new URL(gone.url).port);
    await gone.stop();
    api = await openTestApi({ SMTP_URL: gone.url });
  });

  it('a mail waits, is tried again when it is due, and arrives once the server is back', async () => {
    const user = await signUpUser(api);
    await eventually('the first try', () => eventsNamed('mail_failed').length === 1);
    await eventually('the mail is put off', async () => (await rows()).length === 1);
    const [failed] = eventsNamed('mail_failed');
    const mailId = failed?.mailId;
    expect(failed).toMatchObject({ level: 'warn', template: 'verify-email', attempts: 1, retryInSec: 60 });
    expect(failed?.error).toMatch(/ECONNREFUSED/);
    const [due] = await sql(
      'SELECT extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM app.account_mails WHERE id = $1',
      [mailId],
    );
    expect(due?.seconds).toBeGreaterThan(50);
    expect(due?.seconds).toBeLessThan(61);

    await letTimePass();
    await eventually('the second try', () => eventsNamed('mail_failed').length === 2);
    expect(eventsNamed('mail_failed')[1]).toMatchObject({ attempts: 2, retryInSec: 120, mailId });

    smtp = await startTestSmtp({}, port);
    await letTimePass();
    await eventually('the mail', () => smtp?.mails.length === 1);
    expect(smtp.mails[0]).toMatchObject({ to: user.email, headers: { 'message-id': `<${mailId}@localhost>` } });
    await eventually('the row is gone', async () => (await rows()).length === 0);
    expect(eventsNamed('mail_sent')).toMatchObject([{ mailId, template: 'verify-email', attempts: 3 }]);
  });

  it('a mail is given up after about a day, with an event', async () => {
    await insertRow(28, '0 seconds');
    api.deps.mailSender.poke();
    await eventually('it is given up', () => eventsNamed('mail_failed').length === 1);
    expect(eventsNamed('mail_failed')[0]).toMatchObject({ attempts: 29, retryInSec: null });
    await eventually('the row is gone', async () => (await rows()).length === 0);
  });

  it('a mail whose reason has gone is dropped: its link was replaced, its invitation accepted, revoked or sent again', async () => {
    const { orgId, owner } = await addOrganization(api);
    const user = await signUpUser(api);
    const invite = async () => {
      const body = { email: `guest-${newId()}@example.com`, roleKey: 'member' as const };
      return (await call(api, invitations.createInvitation, { token: owner.token, params: { orgId }, body })).body
        .invitation;
    };
    const [revoked, again, open] = [await invite(), await invite(), await invite()];
    await eventually('all were tried', () => eventsNamed('mail_failed').length === 4);
    const about = ({ id }: { id: string }) => ({ token: owner.token, params: { orgId, invitationId: id } });
    expect((await call(api, invitations.revokeInvitation, about(revoked))).status).toBe(200);
    const resent = await call(api, invitations.resendInvitation, about(again));
    await sql('UPDATE app.account_tokens SET expires_at = now() WHERE user_id = $1', [user.id]);
    await eventually('the one sent again was tried', () => eventsNamed('mail_failed').length === 5);

    smtp = await startTestSmtp({}, port);
    await eventually('no mail is left', async () => {
      await letTimePass();
      return (await rows()).length === 0;
    });
    const links = smtp.mails.map(({ text }) => /#token=([\w-]+)/.exec(text)?.[1]).toSorted();
    expect(links).toEqual([open.token, resent.body.invitation.token].toSorted());
  });
});

describe('the outbox', () => {
  beforeEach(async () => {
    smtp = await startTestSmtp();
    api = await openTestApi({ SMTP_URL: smtp.url });
  });

  it('a change that is rolled back mails nothing', async () => {
    const change = withoutOrg(api.deps.db, async (tx) => {
      await queueAccountMail(tx, { userId: null, template: 'password-changed', recipient: 'never@example.com' });
      throw new Error('changed my mind');
    });
    await expect(change).rejects.toThrow('changed my mind');
    await queue('ada@example.com');
    api.deps.mailSender.poke();
    await eventually('the other mail', () => smtp?.mails.length === 1);
    expect(smtp?.mails.map(({ to }) => to)).toEqual(['ada@example.com']);
  });

  it('each of 60 mails has one sender, however many processes send', async () => {
    const others = await Promise.all([1, 2].map(() => openDeps(api.deps.config, api.deps.log)));
    const recipients = Array.from({ length: 60 }, (_, index) => `ada-${index}@example.com`);
    await Promise.all(recipients.map((recipient) => queue(recipient)));
    for (const { mailSender } of [api.deps, ...others]) mailSender.start();
    await eventually('every mail', async () => (await rows()).length === 0, 20_000);
    expect(smtp?.mails.map(({ to }) => to).toSorted()).toEqual(recipients.toSorted());
    await Promise.all(others.map(closeDeps));
  });

  it('a mail of a sender that died is sent by another once its lease has run out, and not before', async () => {
    await insertRow(1, '90 seconds');
    await queue('other@example.com');
    api.deps.mailSender.poke();
    await eventually('the mail that is due', async () => (await rows()).length === 1);
    expect(smtp?.mails.map(({ to }) => to)).toEqual(['other@example.com']);
    expect(await rows()).toEqual([{ template: 'password-changed', attempts: 1 }]);
    await letTimePass();
    await eventually('the mail of the dead sender', () => eventsNamed('mail_sent').length === 2);
    expect(smtp?.mails[1]?.to).toBe('ada@example.com');
    expect(eventsNamed('mail_sent')[1]).toMatchObject({ attempts: 2 });
  });

  it('a mail that nobody poked for is found all the same', async () => {
    await queue('ada@example.com');
    await eventually('the mail', () => smtp?.mails.length === 1, 8000);
  });

  it('a mail of a newer version waits for that version', async () => {
    await insertRow(0, '0 seconds', 'from-the-future');
    api.deps.mailSender.poke();
    await eventually('the try', () => eventsNamed('mail_failed').length === 1);
    expect(eventsNamed('mail_failed')[0]).toMatchObject({ template: 'from-the-future', retryInSec: 60 });
    expect(await rows()).toHaveLength(1);
  });

  it('one organization’s many mails do not hold up those of another: they take turns', async () => {
    await api.deps.mailSender.stop();
    const [many, few] = [await addOrganization(api), await addOrganization(api)];
    const invite = ({ orgId, owner }: typeof many, email: string) =>
      call(api, invitations.createInvitation, {
        token: owner.token,
        params: { orgId },
        body: { email, roleKey: 'member' as const },
      });
    for (let count = 0; count < 40; count += 1) await invite(many, `many-${count}@example.com`);
    await invite(few, 'few-1@example.com');
    await invite(few, 'few-2@example.com');
    api.deps.mailSender.start();
    await eventually('every mail', async () => (await rows()).length === 0, 20_000);
    const order = smtp?.mails.map(({ to }) => to) ?? [];
    expect(order).toHaveLength(42);
    for (const late of ['few-1@example.com', 'few-2@example.com']) expect(order.indexOf(late)).toBeLessThan(8);
  });

  it('mails under way count as turns their organization had', async () => {
    await api.deps.mailSender.stop();
    const [first, second] = [await addOrganization(api), await addOrganization(api)];
    const insert = (orgId: string, ageSec: number) =>
      sql(
        `INSERT INTO app.org_mails (org_id, id, template, recipient, next_attempt_at)
         VALUES ($1, $2, 'invitation', 'ada@example.com', now() - make_interval(secs => $3))`,
        [orgId, newId(), ageSec],
      );
    for (let age = 100; age > 90; age -= 1) await insert(first.orgId, age);
    await insert(second.orgId, 1);
    const take = async (limit: number, busyOrgIds: string[]) =>
      (await takeOrgMails(api.deps.db, { limit, leaseSec: 60, busyOrgIds })).map(({ orgId }) => orgId);
    expect(await take(1, [])).toEqual([first.orgId]);
    expect(await take(1, [first.orgId])).toEqual([second.orgId]);
    expect(await take(20, [first.orgId, second.orgId])).toEqual(Array(9).fill(first.orgId));
  });

  it('mails of accounts leave while those of organizations cannot be taken', async () => {
    await sql('REVOKE EXECUTE ON FUNCTION sys.take_org_mails(integer, integer, uuid[]) FROM app_api');
    await queue('ada@example.com');
    api.deps.mailSender.poke();
    await eventually('the mail', () => smtp?.mails.length === 1);
    await eventually('the trouble is reported', () =>
      eventsNamed('dependency_failed').some(({ dependency }) => dependency === 'outbox'),
    );
    await eventually('it is noted', () => eventsNamed('mail_sent').length > 0);
    expect(eventsNamed('mail_sent')).toMatchObject([{ attempts: 1 }]);
  });

  it('a mail that the server refuses for good is given up at once, with an event that says so', async () => {
    await smtp?.stop();
    const replies = [450, 550];
    smtp = await startTestSmtp({
      onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no'), { responseCode: replies.shift() })),
    });
    await api.close();
    api = await openTestApi({ SMTP_URL: smtp.url });
    await queue('ada@example.com');
    api.deps.mailSender.poke();
    await eventually('the first try is put off', async () => {
      const [row] = await sql(
        'SELECT next_attempt_at > now() + interval \'50 s\' AS "isPutOff", attempts FROM app.account_mails',
      );
      return eventsNamed('mail_failed').length === 1 && row?.isPutOff === true;
    });
    await letTimePass();
    await eventually('it is given up', async () => (await rows()).length === 0);
    expect(eventsNamed('mail_failed')).toMatchObject([
      { attempts: 1, error: 'EENVELOPE 450 at RCPT TO', isRefused: false, retryInSec: 60 },
      { attempts: 2, error: 'EENVELOPE 550 at RCPT TO', isRefused: true, retryInSec: null },
    ]);
  });

  it('no event names an address or a token, and neither does one about a server that repeats them', async () => {
    await smtp?.stop();
    smtp = await startTestSmtp({
      onRcptTo: ({ address }, _session, done) =>
        done(Object.assign(new Error(`who is <${address}>?`), { responseCode: 550 })),
    });
    await api.close();
    api = await openTestApi({ SMTP_URL: smtp.url });
    const user = await signUpUser(api);
    await eventually('the try', () => eventsNamed('mail_failed').length === 1);
    expect(eventsNamed('mail_failed')[0]?.error).toBe('EENVELOPE 550 at RCPT TO');
    expect(JSON.stringify(api.logLines)).not.toContain(user.email);
  });

  it('a link made with another key is not mailed: nobody could use it', async () => {
    await api.deps.mailSender.stop();
    const user = await signUpUser(api);
    const changed = await openDeps({ ...api.deps.config, AUTH_TOKEN_SECRET: 'x'.repeat(32) }, api.deps.log);
    changed.mailSender.start();
    await eventually('the try', () => eventsNamed('mail_failed').length === 1);
    expect(eventsNamed('mail_failed')[0]?.error).toBe('AUTH_TOKEN_SECRET has changed since the link was made');
    expect(smtp?.mails.filter(({ to }) => to === user.email)).toEqual([]);
    await closeDeps(changed);
  });
});
