import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseMail, type ReadMail, startTestSmtp, type TestSmtpServer } from '../packages/mail/src/testing.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';

let smtp: TestSmtpServer;
let platform: TestPlatform;
let admin: pg.Client;
/** Mails whose every byte arrived. While the server holds its answer back, their sender does not know that. */
const arrived: ReadMail[] = [];
let isHolding = true;

beforeAll(async () => {
  smtp = await startTestSmtp({
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        arrived.push(parseMail(Buffer.concat(chunks).toString('utf8')));
        if (!isHolding) done();
      });
    },
  });
  platform = await preparePlatform({ SMTP_URL: smtp.url });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await platform.stop();
  await smtp.stop();
});

it('an API that is killed between handing a mail over and noting it doubles that mail, and loses none', async () => {
  const first = await platform.startApi();
  const response = await fetch(`${first.url}/v1/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'ada@example.com', password: 'correct horse battery staple' }),
  });
  expect(response.status).toBe(201);
  await eventually('the mail arrives', () => arrived.length === 1);
  await first.kill('SIGKILL');
  const left = async () => (await admin.query('SELECT attempts FROM app.account_mails')).rows;
  expect(await left()).toEqual([{ attempts: 1 }]);

  isHolding = false;
  const second = await platform.startApi();
  // The lease of the dead sender runs out.
  await admin.query('UPDATE app.account_mails SET next_attempt_at = now()');
  await eventually('the mail arrives again', () => arrived.length === 2, 10_000);
  await eventually('it is noted', async () => (await left()).length === 0);
  expect(arrived[1]?.headers['message-id']).toBe(arrived[0]?.headers['message-id']);
  expect(arrived[1]?.text).toBe(arrived[0]?.text);
  expect(second.events.filter(({ event }) => event === 'mail_sent')).toMatchObject([{ attempts: 2 }]);
});

it('an API that is told to stop while a mail is under way ends in time, and the mail is not lost', async () => {
  isHolding = true;
  const api = await platform.startApi();
  await admin.query(`INSERT INTO app.account_mails (id, template, recipient)
    VALUES (gen_random_uuid(), 'password-changed', 'bob@example.com')`);
  await eventually('the mail is under way', () => arrived.length === 3, 10_000);
  const before = performance.now();
  await api.kill('SIGTERM');
  expect(performance.now() - before).toBeLessThan(9_000);
  const { rows } = await admin.query('SELECT recipient FROM app.account_mails');
  expect(rows).toEqual([{ recipient: 'bob@example.com' }]);
});
