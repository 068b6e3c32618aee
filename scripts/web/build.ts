import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SetupError } from '../services/failure.ts';
import { precompress } from './precompress.ts';

/** What the build is made from; a lock file stands for everything installed. */
const SOURCES = ['apps/web', 'packages/shared/src', 'packages/workflow/src', 'scripts/web', 'package-lock.json'];
const NOT_BUILT = /(^|\/)(node_modules|\.next|next-env\.d\.ts)(\/|$)|\.test\.ts$|\.tsbuildinfo$/;
const STAMP = 'apps/web/.next/millrace-sources';
const LONGEST_OUTPUT = 8_000;

export interface WebBuild {
  /** False when the build at hand was made from these very sources. */
  isNew: boolean;
}

/** Makes the production build of the web app unless there is one of these sources. Throws SetupError with what the build said. */
export async function buildWeb(cloneDir: string): Promise<WebBuild> {
  const fingerprint = fingerprintSources(cloneDir);
  const stamp = join(cloneDir, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return { isNew: false };
  const { output, code } = await runBuild(cloneDir);
  if (code !== 0) throw new SetupError(`The web app could not be built:\n${output.slice(-LONGEST_OUTPUT).trim()}`);
  await precompress(join(cloneDir, 'apps', 'web', '.next', 'static'));
  writeFileSync(stamp, fingerprint);
  return { isNew: true };
}

/** One value for the content of all sources. */
export function fingerprintSources(cloneDir: string): string {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((source) => filesOf(cloneDir, join(cloneDir, source))).sort()) {
    const content = readFileSync(join(cloneDir, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function filesOf(cloneDir: string, path: string): string[] {
  if (path.endsWith('.json')) return [relative(cloneDir, path)];
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !NOT_BUILT.test(name))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      return entry.isDirectory() ? filesOf(cloneDir, inner) : [relative(cloneDir, inner)];
    });
}

function runBuild(cloneDir: string): Promise<{ output: string; code: number | null }> {
  const next = join(cloneDir, 'node_modules', 'next', 'dist', 'bin', 'next');
  const child = spawn(process.execPath, [next, 'build', join(cloneDir, 'apps', 'web')], {
    cwd: cloneDir,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', CI: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ output: error.message, code: 1 }));
    child.on('close', (code) => resolve({ output, code }));
  });
}
