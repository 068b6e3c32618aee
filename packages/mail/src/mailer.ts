import { createTransport } from 'nodemailer';

/** One mail, ready to send. `text` says everything; `html` is the same for people who look rather than read. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
}

export interface Mailer {
  /** Resolves when the mail was handed over. Throws when it could not be; the caller tries again later. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** Sends by SMTP. */
export function openSmtpMailer(settings: { url: string; from: string }): Mailer {
  const transport = createTransport(settings.url);
  return {
    send: async (mail) => {
      await transport.sendMail({ from: settings.from, ...mail });
    },
    close: () => transport.close(),
  };
}
