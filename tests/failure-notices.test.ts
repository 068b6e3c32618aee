import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isSigned, type Receiver, startReceiver } from '../apps/api/src/features/failure-notices/testing.ts';
import { type Client, publish, send, signUp } from '../bench/client.ts';
import { startTestSmtp, type TestSmtpServer } from '../packages/mail/src/testing.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';

const FAILING = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'greet', type: 'transform', config: { value: 'Dear {% $trigger.input.nobody %}' } }],
};

let platform: TestPlatform;
let smtp: TestSmtpServer;
let receiver: Receiver;
let admin: pg.Client;
let client: Client;
let api: Awaited<ReturnType<TestPlatform['startApi']>>;

beforeAll(async () => {
  [smtp, receiver] = await Promise.all([startTestSmtp(), startReceiver()]);
  platform = await preparePlatform({ SMTP_URL: smtp.url, EGRESS_ALLOW_CIDRS: receiver.egress });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  [api] = await Promise.all([platform.startApi(), platform.startWorker()]);
  client = await signUp(api.url);
});
afterAll(async () => {
  await admin.end();
  await platform.stop();
  await Promise.all([smtp.stop(), receiver.stop()]);
});

const run = (runs: string) => client.call('POST', runs, { input: { card: 'CANARY-4111' } });
const untold = async () => {
  const { rows } = await admin.query('SELECT sum(failed_count)::integer AS count FROM app.failure_notices');
  return rows[0].count ?? 0;
};

it('a run that fails in the worker is told by e-mail, with the link and without the input', async () => {
  const { rows } = await admin.query<{ email: string }>(
    'UPDATE app.users SET email_verified_at = now() RETURNING email',
  );
  const email = rows[0]?.email ?? '';
  await client.call('PUT', '/failure-notices', { channel: 'email', emails: [email] });
  await run(await publish(client, 'Greeter', FAILING));
  const notices = () => smtp.mails.filter(({ to, subject }) => to === email && subject.includes('failed'));
  await eventually('the mail arrives', () => notices().length === 1, 15_000);
  const [mail] = notices();
  expect(mail?.subject).toBe('A run of “Greeter” failed');
  expect(mail?.text).toContain('EXPRESSION_NO_VALUE');
  expect(mail?.text).toMatch(/http:\/\/localhost:3000\/orgs\/bench-\d+\/workflows\/[\w-]{36}\/runs\/[\w-]{36}/);
  expect(mail?.source).not.toContain('CANARY');
  await eventually('it is noted', async () => (await untold()) === 0);
  const sent = () => api.events.filter(({ event }) => event === 'failure_notice_sent');
  await eventually('the event reaches the log', () => sent().length > 0);
  expect(sent()).toMatchObject([{ channel: 'email', count: 1, orgId: client.headers['x-org-id'] }]);
});

it('a run that is given up because its workers keep dying is told too', async () => {
  await client.call('PUT', '/failure-notices', { channel: 'webhook', url: `${receiver.url}/given-up` });
  const workflowId = (await publish(client, 'Deadly', FAILING)).split('/')[2];
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, lease_token, lost_claims,
       started_at, lease_until, next_sweep_at)
     VALUES ($1, gen_random_uuid(), $2, 1, 'trigger.manual', 'running', 9, 9, now(), now() - interval '1 s', now())`,
    [client.headers['x-org-id'], workflowId],
  );
  await eventually('the webhook arrives', () => receiver.received.length === 1, 15_000);
  expect(receiver.received[0]?.body.data).toMatchObject({ workflowId, error: { code: 'WORKER_LOST' } });
  await eventually('it is noted', async () => (await untold()) === 0);
});

it('a sender that is killed between sending and noting it leaves its notice to the next one', async () => {
  const before = receiver.received.length;
  const path = `${client.orgPath}/failure-notices/secret`;
  const { secret } = (await send(api.url, client.headers, 'POST', path, {})) as { secret: string };
  receiver.answerWith(() => undefined);
  await run(await publish(client, 'Killed', FAILING));
  await eventually('the webhook arrives', () => receiver.received.length === before + 1, 15_000);
  await api.kill('SIGKILL');
  expect(await untold()).toBe(1);
  receiver.answerWith((response) => void response.end());
  api = await platform.startApi();
  await admin.query('UPDATE app.failure_notices SET next_attempt_at = now()'); // the dead sender's lease runs out
  await eventually('the webhook arrives again', () => receiver.received.length === before + 2, 15_000);
  await eventually('it is noted', async () => (await untold()) === 0);
  const [first, again] = receiver.received.slice(before);
  expect(again?.text).toBe(first?.text);
  expect(again?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  for (const webhook of receiver.received.slice(before)) expect(isSigned(secret, webhook)).toBe(true);
}, 60_000);
