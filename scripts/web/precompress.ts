import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

const compress = promisify(brotliCompress);
const WORTH_IT = /\.(js|css)$/;
/** Smaller ones gain less than their headers weigh. */
const SMALLEST_BYTES = 512;

/**
 * Puts `<file>.br` beside each script and style of a build: made once with all the time it takes, which no server has for
 * an answer, so people load about a seventh less than by gzip.
 */
export async function precompress(staticDir: string): Promise<number> {
  const entries = await readdir(staticDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && WORTH_IT.test(entry.name));
  const made = await Promise.all(files.map(({ parentPath, name }) => compressFile(join(parentPath, name))));
  return made.filter(Boolean).length;
}

async function compressFile(path: string): Promise<boolean> {
  const content = await readFile(path);
  if (content.length < SMALLEST_BYTES) return false;
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  await writeFile(`${path}.br`, await compress(content, { params }));
  return true;
}
