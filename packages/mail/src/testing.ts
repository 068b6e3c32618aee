/** Reads the mails of a mailbox folder back, and runs real SMTP servers on loopback, for tests. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface ReadMail {
  /** By lower-case name, unfolded and decoded. */
  headers: Record<string, string>;
  to: string;
  subject: string;
  text: string;
  html: string;
  /** As it was sent, byte for byte. */
  source: string;
}

/** Every mail of the folder, oldest first; none while the folder does not exist. Throws on a file that is no mail. */
export async function readMailbox(dir: string): Promise<ReadMail[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const mails = names.filter((name) => name.endsWith('.eml')).sort();
  return Promise.all(mails.map(async (name) => parseMail(await readFile(join(dir, name), 'utf8'))));
}

/** The parts of a mail as nodemailer writes ours: two bodies, side by side. Throws when one is missing. */
export function parseMail(source: string): ReadMail {
  const { headers, body } = splitEntity(source);
  const boundary = /boundary="([^"]+)"/.exec(headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) throw new Error(`no multipart mail: ${source}`);
  const parts = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => splitEntity(part.replace(/^\r\n/, '')));
  const bodyOf = (type: string) => {
    const part = parts.find((candidate) => candidate.headers['content-type']?.startsWith(type));
    if (!part) throw new Error(`no ${type} in: ${source}`);
    return decodeBody(part.body.replace(/\r\n$/, ''), part.headers['content-transfer-encoding'] ?? '7bit');
  };
  return {
    headers,
    to: headers.to ?? '',
    subject: headers.subject ?? '',
    text: bodyOf('text/plain'),
    html: bodyOf('text/html'),
    source,
  };
}

export interface TestSmtpServer {
  url: string;
  /** Mails taken, oldest first. */
  mails: ReadMail[];
  stop(): Promise<void>;
}

/** An SMTP server on a free port (or `port`) that keeps what it is sent; `options` make it refuse or wait. */
export async function startTestSmtp(options: SMTPServerOptions = {}, port = 0): Promise<TestSmtpServer> {
  const mails: ReadMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push(parseMail(Buffer.concat(chunks).toString('utf8')));
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined); // a client that hung up
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  const { port: chosen } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${chosen}`,
    mails,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function splitEntity(entity: string): { headers: Record<string, string>; body: string } {
  const end = entity.indexOf('\r\n\r\n');
  if (end === -1) throw new Error(`no end of headers in: ${entity}`);
  const lines = entity
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!-9;-~]+): ?(.*)$/s.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`not a header: ${line}`);
    if (headers[name.toLowerCase()] !== undefined) throw new Error(`the header ${name} stands twice`);
    headers[name.toLowerCase()] = decodeWords(value);
  }
  return { headers, body: entity.slice(end + 4) };
}

/** RFC 2047: words of a header in another alphabet; white space between two of them is no part of the text. */
function decodeWords(value: string): string {
  return value
    .replace(/(=\?[^?]+\?[QB]\?[^?]*\?=)\s+(?==\?)/gi, '$1')
    .replace(/=\?utf-8\?([QB])\?([^?]*)\?=/gi, (_, kind: string, text: string) =>
      kind.toUpperCase() === 'B'
        ? Buffer.from(text, 'base64').toString('utf8')
        : decodeQuoted(text.replaceAll('_', ' ')),
    );
}

function decodeBody(body: string, encoding: string): string {
  const text = encoding === 'quoted-printable' ? decodeQuoted(body.replace(/=\r\n/g, '')) : body;
  return (encoding === 'base64' ? Buffer.from(body, 'base64').toString('utf8') : text).replaceAll('\r\n', '\n');
}

function decodeQuoted(text: string): string {
  const bytes = text.replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
