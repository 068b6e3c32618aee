import { createTransport } from 'nodemailer';
import type { Mailer } from './mailer.ts';
import { toMessage } from './message.ts';

/** How long a server may stay silent at any point of the conversation. */
const SILENCE_MS = 10_000;

/** How long one mail may take altogether: a server that drips its answers would otherwise hold it for ever. */
export const SEND_TIMEOUT_MS = 60_000;

/** Sends by SMTP, over a connection of its own for each mail; with STARTTLS whenever the server offers it. */
export function openSmtpMailer({ url, from }: { url: string; from: string }): Mailer {
  const transport = createTransport({
    url,
    requireTLS: demandsTls(url),
    connectionTimeout: SILENCE_MS,
    greetingTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    dnsTimeout: SILENCE_MS,
  });
  return {
    send: async (mail) => {
      await transport.sendMail({ ...toMessage(from, mail), signal: AbortSignal.timeout(SEND_TIMEOUT_MS) });
    },
    close: () => transport.close(),
  };
}

/**
 * Somebody on the way could hide that the server offers STARTTLS, and would read the password then: with one, and beyond
 * this machine, a connection that stays open to read is refused.
 */
export function demandsTls(url: string): boolean {
  const { protocol, hostname, password } = new URL(url);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return protocol === 'smtp:' && password !== '' && !isHere;
}
