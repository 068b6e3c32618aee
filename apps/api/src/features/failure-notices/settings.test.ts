import { readMailbox, startTestSmtp } from '@millrace/mail/testing';
import * as contracts from '@millrace/shared/contracts/failure-notices';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, type Person, queryAsAdmin } from '../organizations/testing.ts';
import { addVerifiedMember, isSigned, type Receiver, startReceiver } from './testing.ts';

let api: TestApi;
let receiver: Receiver;
let closed: Receiver;

beforeAll(async () => {
  [receiver, closed] = await Promise.all([startReceiver(), startReceiver()]);
  api = await openTestApi({ EGRESS_ALLOW_CIDRS: receiver.egress });
});
afterAll(async () => {
  await api.close();
  await Promise.all([receiver.stop(), closed.stop()]);
});

interface Org {
  orgId: string;
  owner: Person;
}
const inOrg = ({ orgId, owner }: Org) => ({ token: owner.token, params: { orgId } });
const put = (org: Org, body: object) => call(api, contracts.putFailureNotices, { ...inOrg(org), body });
const get = async (org: Org) => (await call(api, contracts.getFailureNotices, inOrg(org))).body.settings;
const rotate = (org: Org) => call(api, contracts.rotateFailureNoticeSecret, inOrg(org));
const sendTest = (org: Org) => call(api, contracts.testFailureNotice, inOrg(org));
/** As if the pause after the test before had passed. */
const sendLaterTest = async (org: Org) => {
  await queryAsAdmin(api, 'UPDATE app.failure_notice_settings SET tested_at = NULL WHERE org_id = $1', [org.orgId]);
  return sendTest(org);
};
const webhook = (path = '/hook') => ({ channel: 'webhook', url: `${receiver.url}${path}` });

test('nobody is told at first; addresses and a webhook take each other’s place', async () => {
  const org = await addOrganization(api);
  for (const email of ['ops@example.com', 'dev@example.com']) await addVerifiedMember(api, org.orgId, email);
  const none = { channel: 'none', emails: [], webhookUrl: null };
  expect(await get(org)).toEqual({ ...none, updatedAt: null });
  const emails = ['Ops@Example.com', 'ops@example.com', 'dev@example.com'];
  const byMail = await put(org, { channel: 'email', emails });
  expect(byMail).toMatchObject({
    status: 200,
    body: { settings: { channel: 'email', emails: ['ops@example.com', 'dev@example.com'], webhookUrl: null } },
  });
  expect(byMail.body.secret).toBeUndefined();
  expect(await get(org)).toEqual(byMail.body.settings);
  await put(org, webhook());
  expect(await get(org)).toMatchObject({ channel: 'webhook', emails: [], webhookUrl: `${receiver.url}/***` });
  await put(org, { channel: 'none' });
  expect(await get(org)).toMatchObject({ ...none, updatedAt: expect.any(String) });
});

test('the signing secret is shown when a webhook is chosen and when it is replaced, and never besides', async () => {
  const org = await addOrganization(api);
  expect(await rotate(org)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  const first = (await put(org, webhook())).body.secret ?? '';
  expect(first).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect((await put(org, webhook('/elsewhere'))).body.secret).toBeUndefined();
  await sendLaterTest(org);
  expect(receiver.received.at(-1)).toSatisfy((webhook) => isSigned(first, webhook));
  const second = (await rotate(org)).body.secret;
  expect(second).toMatch(/^whsec_/);
  expect(second).not.toBe(first);
  await sendLaterTest(org);
  expect(receiver.received.at(-1)).toSatisfy((webhook) => isSigned(second, webhook) && !isSigned(first, webhook));
  await put(org, { channel: 'none' });
  const third = (await put(org, webhook())).body.secret;
  expect(new Set([first, second, third]).size).toBe(3);
  const other = await addOrganization(api);
  expect((await put(other, webhook())).body.secret).not.toBe(first);
  expect(JSON.stringify(await get(org))).not.toContain('whsec_');
});

test('each change leaves an audit entry without a secret, an address or the path of a URL', async () => {
  const org = await addOrganization(api);
  await addVerifiedMember(api, org.orgId, 'canary@example.com');
  await put(org, { channel: 'email', emails: ['canary@example.com'] });
  const secrets = [(await put(org, webhook('/CANARY-PATH?token=CANARY'))).body.secret, (await rotate(org)).body.secret];
  await sendTest(org);
  await put(org, { channel: 'none' });
  const entries = await queryAsAdmin<{ action: string; data: object }>(
    api,
    `SELECT action, data, subject_id FROM app.audit_log WHERE org_id = $1 AND action LIKE 'notice.%' ORDER BY seq`,
    [org.orgId],
  );
  expect(entries.map(({ action, data }) => [action, data])).toEqual([
    ['notice.update', { channel: 'email', addresses: 1 }],
    ['notice.update', { channel: 'webhook', host: new URL(receiver.url).host }],
    ['notice.rotate-secret', {}],
    ['notice.test', { channel: 'webhook' }],
    ['notice.update', { channel: 'none' }],
  ]);
  const kept = JSON.stringify([entries, api.logLines]);
  for (const secret of [...secrets, 'CANARY', 'canary@']) expect(kept).not.toContain(secret);
});

test('members may neither read nor change who is told', async () => {
  const { orgId } = await addOrganization(api);
  const member = { orgId, owner: await addMember(api, orgId, 'member') };
  const stranger = { orgId, owner: await addPerson(api) };
  const denied = { status: 403, body: { code: 'FORBIDDEN' } };
  expect(await call(api, contracts.getFailureNotices, inOrg(member))).toMatchObject(denied);
  expect(await put(member, { channel: 'none' })).toMatchObject(denied);
  expect(await rotate(member)).toMatchObject(denied);
  expect(await sendTest(member)).toMatchObject(denied);
  expect((await put(stranger, { channel: 'none' })).body.code).toBe('ORG_ACCESS_DENIED');
});

test.each([
  [{ channel: 'email', emails: [] }],
  [{ channel: 'email', emails: Array.from({ length: 11 }, (_, n) => `a${n}@example.com`) }],
  [{ channel: 'email', emails: ['not an address'] }],
  [{ channel: 'email', emails: ['a@example.com'], url: 'https://example.com' }],
  [{ channel: 'webhook', url: 'ftp://example.com/' }],
  [{ channel: 'webhook', url: 'https://user:password@example.com/' }],
  [{ channel: 'webhook', url: `https://example.com/${'x'.repeat(2000)}` }],
  [{ channel: 'webhook', url: 'https://example.com/***' }],
  [{ channel: 'webhook' }],
  [{ channel: 'pager' }],
  [{}],
])('%j is refused', async (body) => {
  const org = await addOrganization(api);
  expect(await put(org, body)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
});

test('a test notice by webhook is sent at once, signed, and says how it went', async () => {
  const org = await addOrganization(api);
  expect(await sendLaterTest(org)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  await put(org, webhook('/test'));
  expect((await sendLaterTest(org)).body).toEqual({ sent: true, channel: 'webhook', error: null });
  expect(receiver.received.at(-1)).toMatchObject({
    path: '/test',
    body: { type: 'test', data: { organizationId: org.orgId, runId: null, error: { code: 'TEST' } } },
  });
  receiver.answerWith((response) => void response.writeHead(500).end('details'));
  expect((await sendLaterTest(org)).body).toEqual({
    sent: false,
    channel: 'webhook',
    error: 'The webhook answered 500.',
  });
  receiver.answerWith((response) => void response.writeHead(302, { location: '/followed' }).end());
  const redirected = await sendLaterTest(org);
  expect(redirected.body).toMatchObject({ sent: false, error: expect.stringMatching(/not followed/) });
  expect(receiver.received.map(({ path }) => path)).not.toContain('/followed');
  receiver.answerWith((response) => void response.end());
});

test('another test has to wait a few seconds, also by webhook, while other organizations need not', async () => {
  const [org, other] = [await addOrganization(api), await addOrganization(api)];
  await put(org, webhook('/pause'));
  await put(other, webhook('/pause'));
  expect((await sendTest(org)).status).toBe(200);
  const again = await sendTest(org);
  expect(again).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
  expect(Number(again.headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(again.headers['retry-after'])).toBeLessThanOrEqual(5);
  expect((await sendTest(other)).status).toBe(200);
  expect((await sendLaterTest(org)).status).toBe(200);
});

test('the answer of a webhook is not read: one without end is accepted at once', async () => {
  const org = await addOrganization(api);
  await put(org, webhook('/endless'));
  receiver.answerWith((response) => {
    response.writeHead(200);
    const fill = () => {
      while (response.write(Buffer.alloc(64 * 1024)));
    };
    response.on('drain', fill);
    fill();
  });
  expect((await sendTest(org)).body).toEqual({ sent: true, channel: 'webhook', error: null });
  receiver.answerWith((response) => void response.end());
});

test('a webhook reaches no private address that the operator did not allow, and never the platform itself', async () => {
  const org = await addOrganization(api);
  const urls = [
    `${closed.url}/`,
    closed.url.replace('127.0.0.1', 'localhost'),
    closed.url.replace('127.0.0.1', '[::1]'),
  ];
  for (const url of urls) {
    await put(org, { channel: 'webhook', url });
    expect((await sendLaterTest(org)).body).toMatchObject({ sent: false, error: expect.stringMatching(/not allowed/) });
  }
  expect(closed.received).toEqual([]);

  const open = await openTestApi({ EGRESS_ALLOW_CIDRS: '127.0.0.0/8,::1/128' });
  try {
    const own = [open.deps.config.API_DATABASE_URL, open.deps.config.REDIS_URL].map((url) => new URL(url).port);
    for (const port of [...own, open.deps.config.API_PORT, open.deps.config.WEB_PORT]) {
      const http = open.deps.webhookHttp({ method: 'POST', url: `http://127.0.0.1:${port}/` });
      await expect(http).rejects.toMatchObject({ code: 'EGRESS_REFUSED' });
    }
  } finally {
    await open.close();
  }
});

test('a test notice by e-mail goes to every address, and another one has to wait', async () => {
  const org = await addOrganization(api);
  for (const email of ['one@example.com', 'two@example.com']) await addVerifiedMember(api, org.orgId, email);
  await put(org, { channel: 'email', emails: ['one@example.com', 'two@example.com'] });
  expect((await sendTest(org)).body).toEqual({ sent: true, channel: 'email', error: null });
  const mails = (await readMailbox(`${api.deps.config.MILLRACE_DATA_DIR}/mailbox`)).filter(({ text }) =>
    text.includes('This is a test notice'),
  );
  expect(mails.map(({ to }) => to).sort()).toEqual(['one@example.com', 'two@example.com']);
  const again = await sendTest(org);
  expect(again).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
  expect(Number(again.headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(again.headers['retry-after'])).toBeLessThanOrEqual(30);
});

test('a test notice by e-mail names how many addresses were not reached', async () => {
  const smtp = await startTestSmtp({
    onRcptTo: ({ address }, _session, done) => done(address.startsWith('bad') ? new Error('no such user') : null),
  });
  const mailing = await openTestApi({ SMTP_URL: smtp.url });
  try {
    const org = await addOrganization(mailing);
    const options = { token: org.owner.token, params: { orgId: org.orgId } };
    for (const email of ['bad@example.com', 'good@example.com']) await addVerifiedMember(mailing, org.orgId, email);
    const body = { channel: 'email', emails: ['bad@example.com', 'good@example.com'] };
    await call(mailing, contracts.putFailureNotices, { ...options, body });
    const answer = (await call(mailing, contracts.testFailureNotice, options)).body;
    expect(answer).toMatchObject({ sent: false, error: expect.stringMatching(/^1 of 2 addresses were not reached: /) });
    expect(smtp.mails.map(({ to }) => to)).toEqual(['good@example.com']);
  } finally {
    await mailing.close();
    await smtp.stop();
  }
});
