import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openMailer } from './mailer.ts';
import { describeSendError, isRefusedForGood } from './send-error.ts';
import { demandsTls } from './smtp.ts';
import { readMailbox, startTestSmtp, type TestSmtpServer } from './testing.ts';

const FROM = 'Millrace <mill@example.com>';
const mail = { to: 'ada@example.com', subject: 'Grüße', text: 'Über\n.\nend\n', html: '<p>Über</p>\n' };

let dir: string;
const servers: { stop(): Promise<unknown> }[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(dir, { recursive: true });
});

const mailerFor = (smtpUrl: string | undefined) =>
  openMailer({ smtpUrl, from: FROM, mailboxDir: join(dir, 'mailbox') });

async function smtp(...settings: Parameters<typeof startTestSmtp>): Promise<TestSmtpServer> {
  const server = await startTestSmtp(...settings);
  servers.push(server);
  return server;
}

describe('without an SMTP server', () => {
  it('each mail becomes one whole file that only its owner may read, named so that names sort by time', async () => {
    const mailer = mailerFor(undefined);
    for (let number = 1; number <= 30; number += 1) await mailer.send({ ...mail, subject: `Mail ${number}` });
    await Promise.all(Array.from({ length: 10 }, () => mailer.send({ ...mail, subject: 'Mail at once' })));
    const folder = join(dir, 'mailbox');
    const names = await readdir(folder);
    expect(names).toHaveLength(40);
    for (const name of names) expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-\d{6}-[0-9a-f]{8}\.eml$/);
    const subjects = (await readMailbox(folder)).map(({ subject }) => subject);
    expect(subjects.slice(0, 30)).toEqual(Array.from({ length: 30 }, (_, index) => `Mail ${index + 1}`));
    expect((await stat(join(folder, names[0] ?? ''))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('a file holds what was sent, with both bodies, the sender and a note that a machine sent it', async () => {
    await mailerFor(undefined).send({ ...mail, id: '0190-id' });
    const [read] = await readMailbox(join(dir, 'mailbox'));
    expect(read).toMatchObject({ to: mail.to, subject: mail.subject, text: mail.text, html: mail.html });
    expect(read?.headers).toMatchObject({
      from: FROM,
      'message-id': '<0190-id@example.com>',
      'auto-submitted': 'auto-generated',
    });
  });

  it('the newest 500 mails stay, and so does whatever else lies in the folder', async () => {
    const folder = join(dir, 'mailbox');
    await mkdir(folder);
    const old = Array.from(
      { length: 502 },
      (_, index) => `2020-01-01T00-00-00.000Z-${String(index).padStart(6, '0')}.eml`,
    );
    await Promise.all([...old, 'notes.txt'].map((name) => writeFile(join(folder, name), 'old')));
    const mailer = mailerFor(undefined);
    await mailer.send({ ...mail, subject: 'First' });
    await mailer.send({ ...mail, subject: 'Second' });
    const names = (await readdir(folder)).sort();
    expect(names).toHaveLength(501);
    expect(names).toEqual(expect.arrayContaining([...old.slice(4), 'notes.txt']));
  });

  it('fails, and leaves nothing half written under a mail’s name, when the folder cannot be', async () => {
    const mailer = openMailer({ smtpUrl: undefined, from: FROM, mailboxDir: '/dev/null/mailbox' });
    await expect(mailer.send(mail)).rejects.toThrow('ENOTDIR');
  });
});

describe('by SMTP', () => {
  it('hands the mail over unchanged, to its recipient alone', async () => {
    const server = await smtp();
    await mailerFor(server.url).send({ ...mail, id: 'one' });
    await mailerFor(server.url).send({ ...mail, id: 'one' });
    expect(server.mails).toHaveLength(2);
    expect(server.mails[0]).toMatchObject({ to: mail.to, subject: mail.subject, text: mail.text, html: mail.html });
    expect(new Set(server.mails.map(({ headers }) => headers['message-id']))).toEqual(new Set(['<one@example.com>']));
  });

  it('signs in with the user and password of the URL', async () => {
    const seen: unknown[] = [];
    const server = await smtp({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) => {
        seen.push([username, password]);
        done(null, { user: username });
      },
    });
    await mailerFor(server.url.replace('//', '//mill:p%40ss@')).send(mail);
    expect(seen).toEqual([['mill', 'p@ss']]);
    expect(server.mails).toHaveLength(1);
  });

  it.each([
    ['smtp://mill:secret@mail.example.com:587', true],
    ['smtp://mill:secret@10.0.0.5', true],
    ['smtp://mill:secret@127.0.0.1.example.com', true],
    ['smtps://mill:secret@mail.example.com', false], // TLS from the first byte
    ['smtp://mail.example.com:25', false],
    ['smtp://mill:secret@localhost:2525', false],
    ['smtp://mill:secret@127.0.0.1:2525', false],
    ['smtp://mill:secret@[::1]:2525', false],
  ])('never shows a password to the network: %s demands TLS: %s', (url, isDemanded) => {
    expect(demandsTls(url)).toBe(isDemanded);
  });

  it('throws when the server refuses, and describes it without the address that the server repeats', async () => {
    const server = await smtp({
      onRcptTo: ({ address }, _session, done) =>
        done(Object.assign(new Error(`no ${address} here`), { responseCode: 550 })),
    });
    const error = await mailerFor(server.url)
      .send(mail)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toContain(mail.to);
    expect(describeSendError(error)).toBe('EENVELOPE 550 at RCPT TO');
  });

  const refuse = (responseCode: number) => Object.assign(new Error('no'), { responseCode });
  it.each<[string, Parameters<typeof startTestSmtp>[0], boolean]>([
    ['the recipient with 550', { onRcptTo: (_address, _session, done) => done(refuse(550)) }, true],
    [
      'the message with 554',
      { onData: (stream, _session, done) => void stream.resume().on('end', () => done(refuse(554))) },
      true,
    ],
    ['the recipient with 450', { onRcptTo: (_address, _session, done) => done(refuse(450)) }, false],
    [
      'the message with 451',
      { onData: (stream, _session, done) => void stream.resume().on('end', () => done(refuse(451))) },
      false,
    ],
    ['the sender with 550', { onMailFrom: (_address, _session, done) => done(refuse(550)) }, false],
    ['the connection with 554', { onConnect: (_session, done) => done(refuse(554)) }, false],
  ])('knows whether another try makes sense: a server that refuses %s', async (_what, options, isForGood) => {
    const server = await smtp(options);
    const error = await mailerFor(server.url)
      .send(mail)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(isRefusedForGood(error)).toBe(isForGood);
  });

  it('throws when nobody listens, and says so', async () => {
    const server = await startTestSmtp();
    await server.stop();
    const error = await mailerFor(server.url)
      .send(mail)
      .catch((thrown: unknown) => thrown);
    expect(describeSendError(error)).toMatch(/^ESOCKET at CONN: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
  });

  it('gives up on a server that accepts and stays silent, within about ten seconds', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    servers.push({
      stop: async () => {
        for (const socket of sockets) socket.destroy();
        silent.close();
      },
    });
    const address = silent.address();
    const url = `smtp://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const before = performance.now();
    await expect(mailerFor(url).send(mail)).rejects.toThrow(/timeout|greeting/i);
    expect(performance.now() - before).toBeLessThan(14_000);
  }, 20_000);
});

describe('headers', () => {
  it('cannot be injected: a newline in a subject, a display name or an id starts no header', async () => {
    const mailer = mailerFor(undefined);
    for (const newline of ['\r\n', '\n', '\r', '\u2028', '\r\n\r\n'])
      await mailer.send({
        ...mail,
        subject: `Hi${newline}Bcc: eve@example.com`,
        id: `a${newline}Bcc: eve@example.com`,
      });
    for (const { headers, text, source } of await readMailbox(join(dir, 'mailbox'))) {
      expect(headers.bcc).toBeUndefined();
      expect(source).not.toMatch(/[\r\n]bcc:/i);
      expect(text).toBe(mail.text);
    }
  });

  it.each([
    'ada@example.com, eve@example.com',
    'ada@example.com\r\nBcc: eve@example.com',
    'Ada <ada@example.com>',
    'ada@example.com;eve@example.com',
    '"a b"@example.com',
    'ada',
    '',
  ])('refuses a recipient that is not one plain address: %j', async (to) => {
    await expect(mailerFor(undefined).send({ ...mail, to })).rejects.toThrow(TypeError);
    expect(await readMailbox(join(dir, 'mailbox'))).toEqual([]);
  });

  it('never reads a file or an address that a body names', async () => {
    const secret = join(dir, 'secret');

    await writeFile(secret, 'top secret');
    await mailerFor(undefined).send({ ...mail, text: secret, html: `<img src="file://${secret}"><img src="cid:x">` });
    const [name] = await readdir(join(dir, 'mailbox'));
    expect(await readFile(join(dir, 'mailbox', name ?? ''), 'utf8')).not.toContain('top secret');
  });
});
