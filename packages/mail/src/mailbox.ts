import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import type { Mailer } from './mailer.ts';
import { toMessage } from './message.ts';

/** Files of the folder. */
const KEPT = 500;

/**
 * Writes each mail into a file of its own, `<time>-<number>-<random>.eml`, so that names sort by time; mail programs open
 * such files. A file is complete from the moment it has that name. Only the owner may read them: they hold links. The newest
 * 500 stay; nobody empties the folder otherwise.
 */
export function openMailbox({ dir, from }: { dir: string; from: string }): Mailer {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  let count = 0;
  return {
    send: async (mail) => {
      const { message } = await transport.sendMail(toMessage(from, mail));
      count += 1; // several mails in one millisecond keep their order
      const time = new Date().toISOString().replaceAll(':', '-');
      const name = `${time}-${String(count).padStart(6, '0')}-${randomBytes(4).toString('hex')}.eml`;
      await writeWhole(dir, name, message as Buffer);
      await removeOldest(dir);
    },
    close: () => transport.close(),
  };
}

/** Several processes may do so at once: a file that is gone already is fine. */
async function removeOldest(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.eml')).sort();
  await Promise.all(names.slice(0, -KEPT).map((name) => rm(join(dir, name), { force: true })));
}

async function writeWhole(dir: string, name: string, content: Buffer): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const unfinished = join(dir, `.${name}.tmp`);
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync(); // whoever counts on the mail being there deletes its row next
  } finally {
    await file.close();
  }
  await rename(unfinished, join(dir, name));
}
