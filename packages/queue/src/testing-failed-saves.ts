import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { eventually } from './testing.ts';

/**
 * Makes the snapshots of a Redis of this machine fail, as a bad disk does: from then on it refuses writes with MISCONF.
 * Answers what mends it. `client` must reach it as an administrator.
 */
export async function failSaves(client: Redis): Promise<() => Promise<void>> {
  const [, folder = ''] = (await client.config('GET', 'dir')) as string[];
  const snapshot = join(folder, 'dump.rdb');
  const saves = async (status: 'ok' | 'err') => {
    // A rewrite of the append-only file may be under way: then the snapshot comes after it.
    await client.call('BGSAVE', 'SCHEDULE').catch(() => {});
    const isSo = async () => (await client.info('persistence')).includes(`rdb_last_bgsave_status:${status}`);
    await eventually(`a snapshot to end with ${status}`, isSo, 30_000);
  };
  // No file can take the name of a folder.
  await rm(snapshot, { recursive: true, force: true });
  await mkdir(snapshot);
  await client.config('SET', 'save', '3600 1');
  await saves('err');
  return async () => {
    await rm(snapshot, { recursive: true, force: true });
    await saves('ok');
  };
}
