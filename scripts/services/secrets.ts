import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The secret called `name`, made by `create` the first time and the same ever after. Readable by its owner only.
 * Written whole or not at all, and of two starts at once both get the same one.
 */
export async function loadOrCreateSecret(
  secretsDir: string,
  name: string,
  create: () => string | Promise<string> = createPassword,
): Promise<string> {
  const file = join(secretsDir, name);
  if (!existsSync(file)) writeOnce(file, await create());
  return readFileSync(file, 'utf8');
}

/** 32 random bytes as text that needs no quoting in URLs, SQL and configuration files. */
function createPassword(): string {
  return randomBytes(32).toString('base64url');
}

function writeOnce(file: string, secret: string): void {
  const partial = `${file}.${randomUUID()}`;
  writeFileSync(partial, secret, { mode: 0o600, flush: true });
  try {
    // Unlike a rename, a link fails when the name is taken.
    linkSync(partial, file);
  } catch (error) {
    if (!existsSync(file)) throw error;
  } finally {
    rmSync(partial, { force: true });
  }
}
