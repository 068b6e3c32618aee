import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Host, prepareHost } from './host.ts';
import { newTestFolder } from './test-services.ts';

const cloneDir = dirname(dirname(import.meta.dirname));

/**
 * A path that does not exist yet, where the system user can come and where the next test run looks for what a killed one
 * left behind.
 */
export function newDataDir(): string {
  return newTestFolder(prepareHost(cloneDir, undefined, () => {}).dataDir);
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
