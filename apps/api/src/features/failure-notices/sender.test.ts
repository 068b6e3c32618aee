import { closeDatabase, type Database } from '@millrace/db/connect';
import { type ReadMail, startTestSmtp } from '@millrace/mail/testing';
import { eventually, startFaultProxy } from '@millrace/queue/testing';
import * as contracts from '@millrace/shared/contracts/failure-notices';
import { reportFigure } from '@millrace/shared/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';
import {
  addVerifiedMember,
  addWorkflow,
  connectWorker,
  failOneRun,
  isSigned,
  letNoticesBeDue,
  type Receiver,
  startReceiver,
} from './testing.ts';

let api: TestApi;
let worker: Database;
let receiver: Receiver;
const closing: (() => Promise<unknown>)[] = [];

async function open(settings: Parameters<typeof openTestApi>[0] = {}): Promise<void> {
  api = await openTestApi({ EGRESS_ALLOW_CIDRS: receiver.egress, ...settings });
  worker = connectWorker(api);
}
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await receiver.stop(); // first, so that nothing hangs on its answers
  await closeDatabase(worker);
  await api.close();
});

interface Org {
  orgId: string;
  owner: Person;
  slug: string;
}
const choose = async ({ orgId, owner }: Org, body: object) =>
  (await call(api, contracts.putFailureNotices, { token: owner.token, params: { orgId }, body })).body.secret ?? '';
const toWebhook = (org: Org, path = '/hook') => choose(org, { channel: 'webhook', url: `${receiver.url}${path}` });
const rows = () =>
  queryAsAdmin<{ failedCount: number; attempts: number; waitSec: number; sending: { id: string } | null }>(
    api,
    `SELECT failed_count AS "failedCount", attempts, sending,
       extract(epoch FROM next_attempt_at - now())::float8 AS "waitSec" FROM app.failure_notices`,
    [],
  );
const eventsNamed = (name: string) => api.logLines.filter(({ event }) => event === name);
const arrivals = (count: number, timeoutMs = 10_000) =>
  eventually(`${count} webhooks arrive`, () => receiver.received.length >= count, timeoutMs);
/** Also the events, which follow the rows: every notice under way has ended with one. */
const settled = async () => {
  await eventually('everything is told', async () =>
    (await rows()).every((row) => row.failedCount === 0 && !row.sending),
  );
  await api.deps.noticeSender.stop();
  api.deps.noticeSender.start();
};
const counts = () => receiver.received.map(({ body }) => Number(body.data.failedCount));
const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
const answerUnavailable = () => receiver.answerWith((response) => void response.writeHead(503).end());
const answerFine = () => receiver.answerWith((response) => void response.end());

describe('a failed run', () => {
  test('is told at once, with its workflow, error and link, and without any value of the run', async () => {
    await open({ WEB_BASE_URL: 'https://flows.example.com/app' });
    const org = await addOrganization(api);
    const secret = await toWebhook(org);
    const workflowId = await addWorkflow(api, org.orgId, 'Nightly import');
    const startedAt = Date.now();
    const runId = await failOneRun(api, worker, org.orgId, workflowId);
    await arrivals(1);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    const [notice] = receiver.received;
    expect(notice?.body).toEqual({
      type: 'workflow.failed',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: {
        organizationId: org.orgId,
        workflowId,
        workflowName: 'Nightly import',
        runId,
        failedCount: 1,
        error: { code: 'HTTP_STATUS', message: 'The server answered 500.' },
        url: `https://flows.example.com/app/orgs/${org.slug}/workflows/${workflowId}/runs/${runId}`,
      },
    });
    expect(notice).toSatisfy((webhook) => isSigned(secret, webhook));
    expect(notice?.headers['webhook-id']).toMatch(/^msg_[\w-]+$/);
    expect(notice?.text).not.toContain('CANARY-INPUT');
    await settled();
    expect(eventsNamed('failure_notice_sent')).toMatchObject([
      { orgId: org.orgId, workflowId, channel: 'webhook', count: 1 },
    ]);
  });

  test('has its message told up to 300 characters, none of them broken', async () => {
    await open();
    const org = await addOrganization(api);
    await toWebhook(org);
    const message = `${'🙂'.repeat(299)}🙂🙂 and the customer's data`;
    await failOneRun(api, worker, org.orgId, await addWorkflow(api, org.orgId), { code: 'X', message });
    await arrivals(1);
    expect(receiver.received[0]?.body.data.error).toEqual({ code: 'X', message: '🙂'.repeat(300) });
    const kept = await queryAsAdmin(api, 'SELECT last_error, sending FROM app.failure_notices', []);
    expect(JSON.stringify(kept)).not.toContain('customer');
  });

  test('is not counted while nobody is told, and forgotten when nobody is told any more', async () => {
    await open();
    const org = await addOrganization(api);
    const workflowId = await addWorkflow(api, org.orgId);
    await failOneRun(api, worker, org.orgId, workflowId);
    await choose(org, { channel: 'none' });
    await failOneRun(api, worker, org.orgId, workflowId);
    expect(await rows()).toEqual([]);
    answerUnavailable();
    await toWebhook(org);
    await failOneRun(api, worker, org.orgId, workflowId);
    await eventually('the first try fails', () => eventsNamed('failure_notice_failed').length === 1);
    await choose(org, { channel: 'none' });
    expect(await rows()).toEqual([]);
  });

  test('of one organization is no notice of another', async () => {
    await open();
    const [mine, theirs] = [await addOrganization(api), await addOrganization(api)];
    await toWebhook(mine, '/mine');
    await toWebhook(theirs, '/theirs');
    await failOneRun(api, worker, mine.orgId, await addWorkflow(api, mine.orgId));
    await arrivals(1);
    await settled();
    expect(receiver.received.map(({ path }) => path)).toEqual(['/mine']);
    expect(await queryAsAdmin(api, 'SELECT org_id FROM app.failure_notices', [])).toEqual([{ org_id: mine.orgId }]);
  });

  test('is told without Redis', async () => {
    await open({ REDIS_URL: 'redis://127.0.0.1:1' });
    const org = await addOrganization(api);
    await toWebhook(org);
    await failOneRun(api, worker, org.orgId, await addWorkflow(api, org.orgId));
    await arrivals(1);
  });
});

test('1,000 failures of one workflow make two notices: the first at once, the second five minutes later with the rest', async () => {
  await open();
  const org = await addOrganization(api);
  await toWebhook(org);
  const workflowId = await addWorkflow(api, org.orgId);
  const total = 1000;
  const failFifty = () => Promise.all(Array.from({ length: 50 }, () => failOneRun(api, worker, org.orgId, workflowId)));
  await failFifty();
  await arrivals(1);
  for (let failed = 50; failed < total; failed += 50) await failFifty();
  await eventually('the first is noted', async () => (await rows())[0]?.sending === null);
  const [row] = await rows();
  expect(row?.failedCount).toBe(total - sum(counts()));
  expect(row?.waitSec).toBeGreaterThan(200);
  expect(row?.waitSec).toBeLessThanOrEqual(300);
  await letNoticesBeDue(api);
  await arrivals(2);
  await settled();
  expect(receiver.received).toHaveLength(2);
  expect(sum(counts())).toBe(total);
  reportFigure(
    'burst of failures, one workflow',
    `${total} failed runs, ${receiver.received.length} notices, counts add up`,
  );
});

describe('a receiver that does not accept', () => {
  test('gets the same notice again under the same id; failures in between are told by the next one', async () => {
    await open();
    const org = await addOrganization(api);
    const secret = await toWebhook(org);
    const workflowId = await addWorkflow(api, org.orgId);
    answerUnavailable();
    await failOneRun(api, worker, org.orgId, workflowId);
    await eventually(
      'the first try fails',
      async () => Number((await rows())[0]?.waitSec) > 50 && eventsNamed('failure_notice_failed').length === 1,
    );
    expect(eventsNamed('failure_notice_failed')).toMatchObject([
      {
        level: 'warn',
        workflowId,
        channel: 'webhook',
        count: 1,
        error: 'The webhook answered 503.',
        attempts: 1,
        retryInSec: 60,
      },
    ]);
    await Promise.all([1, 2].map(() => failOneRun(api, worker, org.orgId, workflowId)));
    answerFine();
    await letNoticesBeDue(api);
    await arrivals(2);
    await eventually('the second try is noted', async () => (await rows())[0]?.failedCount === 2);
    await letNoticesBeDue(api);
    await arrivals(3);
    await settled();
    const [first, again, next] = receiver.received;
    expect(again?.text).toBe(first?.text);
    expect(again?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(next?.headers['webhook-id']).not.toBe(first?.headers['webhook-id']);
    expect(counts()).toEqual([1, 1, 2]);
    for (const webhook of receiver.received) expect(isSigned(secret, webhook)).toBe(true);
  });

  test('is given up after about a day, with an event, and hears of later failures', async () => {
    await open();
    const org = await addOrganization(api);
    await toWebhook(org);
    const workflowId = await addWorkflow(api, org.orgId);
    answerUnavailable();
    await failOneRun(api, worker, org.orgId, workflowId);
    await eventually(
      'the first try fails',
      async () => Number((await rows())[0]?.waitSec) > 50 && eventsNamed('failure_notice_failed').length === 1,
    );
    await queryAsAdmin(api, 'UPDATE app.failure_notices SET attempts = 28', []);
    await letNoticesBeDue(api);
    await settled();
    expect(eventsNamed('failure_notice_failed').at(-1)).toMatchObject({ attempts: 29, retryInSec: null, count: 1 });
    answerFine();
    await failOneRun(api, worker, org.orgId, workflowId);
    await letNoticesBeDue(api);
    await arrivals(3);
    await settled();
    expect(counts()).toEqual([1, 1, 1]);
  });

  test('holds up no other organization, however many of its workflows fail', async () => {
    await open();
    const [slow, fast] = [await addOrganization(api), await addOrganization(api)];
    await toWebhook(slow, '/slow');
    await toWebhook(fast, '/fast');
    receiver.answerWith((response) => void (response.req.url === '/fast' && response.end()));
    for (let n = 0; n < 30; n += 1) await failOneRun(api, worker, slow.orgId, await addWorkflow(api, slow.orgId));
    for (let n = 0; n < 15; n += 1) {
      api.deps.noticeSender.poke();
      await rows();
    }
    expect(receiver.received.map(({ path }) => path)).toEqual(['/slow']);
    const startedAt = Date.now();
    await failOneRun(api, worker, fast.orgId, await addWorkflow(api, fast.orgId));
    await eventually('the other is told', () => receiver.received.some(({ path }) => path === '/fast'), 6_000);
    reportFigure('notice beside 30 that hang', `told after ${Date.now() - startedAt} ms`);
  });
});

describe('by e-mail', () => {
  test('each address gets a mail of its own, and one that is put off is tried again alone', async () => {
    const busy = new Set(['bad@example.com']);
    const smtp = await startTestSmtp({
      onRcptTo: ({ address }, _session, done) =>
        done(busy.has(address) ? Object.assign(new Error('try later'), { responseCode: 450 }) : null),
    });
    closing.push(() => smtp.stop());
    await open({ SMTP_URL: smtp.url, WEB_BASE_URL: 'https://flows.example.com' });
    const org = await addOrganization(api);
    const emails = ['a@example.com', 'bad@example.com', 'c@example.com'];
    for (const email of emails) await addVerifiedMember(api, org.orgId, email);
    await choose(org, { channel: 'email', emails });
    const workflowId = await addWorkflow(api, org.orgId, 'Nightly import');
    const runId = await failOneRun(api, worker, org.orgId, workflowId);
    await eventually('the first try ends', () => eventsNamed('failure_notice_failed').length === 1);
    const mailsTo = () => smtp.mails.map(({ to }) => to).sort();
    expect(mailsTo()).toEqual(['a@example.com', 'c@example.com']);
    expect(eventsNamed('failure_notice_failed')[0]).toMatchObject({
      channel: 'email',
      count: 1,
      error: expect.stringMatching(/^1 of 3/),
    });
    await eventually('it is put off', async () => Number((await rows())[0]?.waitSec) > 50);
    busy.clear();
    await letNoticesBeDue(api);
    await settled();
    expect(mailsTo()).toEqual(['a@example.com', 'bad@example.com', 'c@example.com']);
    const [mail] = smtp.mails as [ReadMail];
    expect(mail.subject).toBe('A run of “Nightly import” failed');
    expect(mail.text).toContain(`https://flows.example.com/orgs/${org.slug}/workflows/${workflowId}/runs/${runId}`);
    expect(mail.text).toContain('The server answered 500.');
    expect(mail.source).not.toContain('CANARY-INPUT');
    expect(new Set(smtp.mails.map(({ headers }) => headers['message-id'])).size).toBe(3);
    expect(eventsNamed('failure_notice_sent')).toMatchObject([{ channel: 'email', count: 1 }]);
    expect(JSON.stringify(api.logLines)).not.toContain('@example.com');
  });

  test('an address that the server refuses for good is given up at once, with an event', async () => {
    const smtp = await startTestSmtp({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith('bad') ? new Error('no such user') : null),
    });
    closing.push(() => smtp.stop());
    await open({ SMTP_URL: smtp.url });
    const org = await addOrganization(api);
    const emails = ['a@example.com', 'bad@example.com'];
    for (const email of emails) await addVerifiedMember(api, org.orgId, email);
    await choose(org, { channel: 'email', emails });
    await failOneRun(api, worker, org.orgId, await addWorkflow(api, org.orgId));
    await eventually('the notice has ended', async () => (await rows())[0]?.failedCount === 0);
    expect(smtp.mails.map(({ to }) => to)).toEqual(['a@example.com']);
    expect(eventsNamed('failure_notice_failed')).toMatchObject([
      { attempts: 1, retryInSec: null, error: expect.stringMatching(/^1 of 2 .*EENVELOPE 550 at RCPT TO$/) },
    ]);
  });
});

describe('several senders and broken ones', () => {
  test('two instances send each notice once', async () => {
    await open();
    const second = await openDeps(api.deps.config, api.deps.log);
    closing.push(() => closeDeps(second));
    second.noticeSender.start();
    const perOrg = 8;
    const orgs = await Promise.all(Array.from({ length: 8 }, () => addOrganization(api)));
    for (const org of orgs) await toWebhook(org);
    await Promise.all(
      orgs.map(async ({ orgId }) => {
        for (let n = 0; n < perOrg; n += 1) await failOneRun(api, worker, orgId, await addWorkflow(api, orgId));
      }),
    );
    const total = orgs.length * perOrg;
    await arrivals(total, 30_000);
    await settled();
    const told = receiver.received.map(({ body }) => body.data.workflowId);
    expect(told).toHaveLength(total);
    expect(new Set(told).size).toBe(total);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(total);
    reportFigure('notices with two senders', `${total} workflows, ${told.length} notices, none twice`);
  });

  test('a sender that loses PostgreSQL between sending and noting it sends the same notice again', async () => {
    await open();
    const target = new URL(api.deps.config.API_DATABASE_URL);
    const proxy = await startFaultProxy(Number(target.port));
    closing.push(() => proxy.stop());
    target.port = String(proxy.port);
    target.hostname = '127.0.0.1';
    await api.deps.noticeSender.stop();
    const cut = await openDeps({ ...api.deps.config, API_DATABASE_URL: target.href }, api.deps.log);
    closing.push(() => closeDeps(cut));
    const org = await addOrganization(api);
    await toWebhook(org);
    receiver.answerWith(async (response) => {
      await proxy.setFault({ type: 'refuse' });
      response.end();
    });
    const workflowId = await addWorkflow(api, org.orgId);
    cut.noticeSender.start();
    await failOneRun(api, worker, org.orgId, workflowId);
    await arrivals(1);
    await eventually('the trouble is reported', () =>
      eventsNamed('dependency_failed').some(({ dependency }) => dependency === 'failure-notices'),
    );
    expect(eventsNamed('failure_notice_sent')).toEqual([]);
    answerFine();
    await proxy.setFault({ type: 'none' });
    const [held] = await rows();
    expect(held).toMatchObject({ failedCount: 1, attempts: 1, sending: { id: expect.any(String) } });
    expect(held?.waitSec).toBeGreaterThan(30); // its lease
    await letNoticesBeDue(api);
    await arrivals(2);
    await settled();
    const [first, again] = receiver.received;
    expect(again?.text).toBe(first?.text);
    expect(again?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(receiver.received).toHaveLength(2);
  });

  test('a sender that is slower than its lease takes nothing off that another one has told', async () => {
    await open();
    const org = await addOrganization(api);
    await toWebhook(org);
    const workflowId = await addWorkflow(api, org.orgId);
    const letGo: (() => void)[] = [];
    receiver.answerWith((response) => void letGo.push(() => response.end()));
    await failOneRun(api, worker, org.orgId, workflowId);
    await arrivals(1);
    answerFine();
    const second = await openDeps(api.deps.config, api.deps.log);
    closing.push(() => closeDeps(second));
    await letNoticesBeDue(api); // the lease of the slow one ran out
    second.noticeSender.start();
    await arrivals(2);
    await eventually('the other one has told it', async () => (await rows())[0]?.failedCount === 0);
    await failOneRun(api, worker, org.orgId, workflowId);
    letGo[0]?.();
    await eventually('the slow one ends', () => eventsNamed('failure_notice_sent').length === 2);
    expect((await rows())[0]).toMatchObject({ failedCount: 1 });
  });
});
