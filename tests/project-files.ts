import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface ProjectFile {
  /** From the root of the project, with slashes. */
  path: string;
  lines: string[];
}

/**
 * The text files of the project: what git tracks, and what it would track (new files count before their commit). Left
 * out: the lock file, images, and files that are deleted but not yet committed.
 */
export async function readProjectFiles(): Promise<ProjectFile[]> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { stdout } = await promisify(execFile)('git', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const paths = [...new Set(stdout.split('\0'))].filter((path) => path !== '' && !IGNORED.test(path));
  const files = await Promise.all(paths.map((path) => readText(root, path)));
  return files.filter((file) => file !== undefined);
}

const IGNORED = /^package-lock\.json$|\.(png|jpg|jpeg|webp|gif|ico|woff2)$/;

async function readText(root: string, path: string): Promise<ProjectFile | undefined> {
  try {
    return { path, lines: (await readFile(`${root}/${path}`, 'utf8')).split('\n') };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
