import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Host, prepareHost } from './host.ts';

const cloneDir = dirname(dirname(import.meta.dirname));

/** A path that does not exist yet, where the system user can come: folders made by mkdtemp are closed to it. */
export function newDataDir(): string {
  return join(tmpdir(), `millrace-test-${randomUUID()}`);
}

/** A host with an empty data folder; delete `dataDir` at the end. PostgreSQL's programs are copied once, not every time. */
export function createTestHost(): Host {
  const { binariesDir } = prepareHost(cloneDir, undefined, () => {});
  return { ...prepareHost(cloneDir, newDataDir(), () => {}), binariesDir };
}

/** An empty folder that only its owner can enter, like the home of a careful person. */
export function createPrivateFolder(): string {
  return mkdtempSync(join(tmpdir(), 'millrace-private-'));
}
