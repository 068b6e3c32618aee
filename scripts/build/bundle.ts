import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

/** What runs as a process of its own, by the name of its file in a build. */
const PROGRAMS = {
  api: 'apps/api/src/main.ts',
  worker: 'apps/worker/src/main.ts',
  'expression-child': 'apps/worker/src/expressions/expression-child.ts',
};

/** Compiled code, which cannot be part of a file of JavaScript. */
const NATIVE = new Set(['@node-rs/argon2']);
/** Only speeds up reading MessagePack, which we never do. */
const NOT_USED = new Set(['msgpackr-extract']);

/**
 * Writes each program with all that it imports as one file into `target`, beside the chunks that it loads later. `target`
 * appears whole or not at all; where somebody else was faster, theirs stays.
 */
export async function bundlePrograms(cloneDir: string, target: string): Promise<void> {
  const folder = mkdtempSync(`${target}.making-`);
  try {
    for (const [name, entry] of Object.entries(PROGRAMS)) await bundle(cloneDir, folder, name, entry);
    renameSync(folder, target);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    if (!isThere(error)) throw error;
  }
}

async function bundle(cloneDir: string, folder: string, name: string, entry: string): Promise<void> {
  const build = await rolldown({
    cwd: cloneDir,
    input: { [name]: join(cloneDir, entry) },
    platform: 'node',
    plugins: [outsiders, plainHttp],
    logLevel: 'warn',
  });
  try {
    // Not minified: what a stack trace names is readable, and the map leads back to the sources. Comments stay in memory.
    await build.write({
      dir: folder,
      format: 'esm',
      sourcemap: true,
      comments: { legal: true, annotation: false, jsdoc: false },
      plugins: [ascii],
      entryFileNames: '[name].mjs',
      chunkFileNames: '[name]-[hash].mjs',
    });
  } finally {
    await build.close();
  }
}

/** A build may stand anywhere, so what is not part of it is named by its place on this machine. */
const outsiders: Plugin = {
  name: 'outsiders',
  resolveId(source, importer, { kind }) {
    if (importer === undefined) return undefined;
    if (NOT_USED.has(source)) return { id: source, external: true };
    if (!NATIVE.has(source)) return undefined;
    const file = createRequire(importer).resolve(source);
    return { id: kind === 'require-call' ? file : pathToFileURL(file).href, external: true };
  },
};

/**
 * An `import` of node:http reads all that it exports, and so loads the WebSocket of Node's own undici: 7 MB that we never use.
 * Required, it stays away.
 */
const plainHttp: Plugin = {
  name: 'plain-http',
  resolveId: (source, _importer, { kind }) =>
    kind === 'import-statement' && /^(node:)?http$/.test(source) ? PLAIN_HTTP : undefined,
  load(id) {
    if (id !== PLAIN_HTTP) return undefined;
    const isValue = ([, { get }]: [string, PropertyDescriptor]) => get === undefined;
    const names = Object.entries(Object.getOwnPropertyDescriptors(http)).filter(isValue);
    return `import { createRequire } from 'node:module';
      const http = createRequire(import.meta.url)('node:http');
      export default http;
      export const { ${names.map(([name]) => name).join(', ')} } = http;`;
  },
};

const PLAIN_HTTP = '\0plain-http';

/**
 * V8 keeps the source for as long as it may have to compile a function, at two bytes a character if a single one needs them.
 * What is said with an escape means the same in strings, names and regular expressions.
 */
const ascii: Plugin = {
  name: 'ascii',
  generateBundle(_options, files) {
    for (const file of Object.values(files))
      if (file.type === 'chunk')
        file.code = file.code.replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  },
};

const NOT_ASCII = /[\u0080-\uffff]/g;

function isThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST');
}
