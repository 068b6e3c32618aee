import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** It takes memory for what is on it only. */
const SIZE_MB = 6_000;
const PREFIX = 'millrace-disk-';

/** A file system of its own for PostgreSQL and Redis, which can be full. */
export interface SmallDisk {
  folder: string;
  /** Takes all space that is left; false when that is not possible just now. */
  fill(): boolean;
  /** Gives it back. */
  free(): void;
  remove(): void;
}

/** Null where this process may not mount one: only root on Linux may. */
export function mountSmallDisk(): SmallDisk | null {
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  const isMounted = mount(folder, '-t', 'tmpfs', '-o', `size=${SIZE_MB}m`, 'tmpfs');
  if (!isMounted) {
    rmSync(folder, { recursive: true });
    return null;
  }
  chmodSync(folder, 0o755);
  const resize = (size: string) => mount(folder, '-o', `remount,size=${size}`);
  return {
    folder,
    // As large as what is on it. That may grow meanwhile, and then it cannot be made so small.
    fill: () => resize(String(usedBytes(folder))) || resize(String(usedBytes(folder) + SPARE_BYTES)),
    free() {
      if (!resize(`${SIZE_MB}m`)) throw new Error(`${folder} could not be made larger again`);
    },
    remove: () => unmount(folder),
  };
}

const SPARE_BYTES = 65_536;

/** Ends the disks that a killed run left in this folder. */
export function removeSmallDisks(parent: string): void {
  for (const name of readdirSync(parent)) if (name.startsWith(PREFIX)) unmount(join(parent, name));
}

function mount(folder: string, ...args: string[]): boolean {
  return spawnSync('mount', [...args, folder]).status === 0;
}

function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
}

function unmount(folder: string): void {
  spawnSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
}
