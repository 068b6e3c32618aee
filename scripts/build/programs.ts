import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../services/failure.ts';

/** Files that Node can start. */
export interface Programs {
  api: string;
  worker: string;
}

const SOURCES = ['packages/*/{package.json,src/**/*.ts}', 'apps/*/{package.json,src/**/*.ts}', 'scripts/build/*.ts'];
/** A running program may still load a chunk of its build. */
const UNUSED_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * The programs made of the sources as they are now: built into a folder of its own below `folder`, unless they are there
 * already. Several processes may ask at once. Throws SetupError with what the bundler says.
 */
export async function buildPrograms(cloneDir: string, folder: string): Promise<Programs> {
  const build = join(folder, hashSources(cloneDir));
  if (!existsSync(build)) {
    mkdirSync(folder, { recursive: true });
    await runBundler(cloneDir, build);
    deleteUnused(folder);
  }
  const now = new Date();
  utimesSync(build, now, now);
  return { api: join(build, 'api.mjs'), worker: join(build, 'worker.mjs') };
}

/** Where builds of a clone are kept: for all its data folders together, unless only one of them can be written. */
export function buildsFolder(cloneDir: string, dataDir: string): string {
  const modules = join(cloneDir, 'node_modules');
  try {
    accessSync(modules, constants.W_OK);
    return join(modules, '.cache', 'millrace');
  } catch {
    return join(dataDir, 'builds');
  }
}

/** Anything that the programs are made of. Tests are not, but telling them apart is not worth a mistake. */
function hashSources(cloneDir: string): string {
  const hash = createHash('sha256');
  for (const file of ['package-lock.json', ...globSync(SOURCES, { cwd: cloneDir }).sort()])
    hash.update(`${file}\0`).update(readFileSync(join(cloneDir, file)));
  return hash.digest('hex').slice(0, 16);
}

/** In a process of its own: the bundler takes memory that the one that starts and watches the platform would keep. */
async function runBundler(cloneDir: string, build: string): Promise<void> {
  const args = [join(cloneDir, 'scripts', 'build.ts'), build];
  const child = spawn(process.execPath, args, { cwd: cloneDir, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const outcome = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `it ended with ${signal ?? `code ${code}`}`));
  });
  if (outcome !== '') throw new SetupError(`The programs could not be built: ${outcome}.\n${complaints.trim()}`);
}

function deleteUnused(folder: string): void {
  for (const name of readdirSync(folder)) {
    const build = join(folder, name);
    if (Date.now() - statSync(build).mtimeMs > UNUSED_MS) rmSync(build, { recursive: true, force: true });
  }
}
