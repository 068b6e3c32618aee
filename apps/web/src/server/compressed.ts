import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream';

const TYPES: Record<string, string> = {
  '.js': 'application/javascript; charset=UTF-8',
  '.css': 'text/css; charset=UTF-8',
};
const SUFFIX = '.br';
const ADDRESS = '/_next/static/';

interface CompressedFile {
  path: string;
  bytes: number;
  type: string;
}

/** Answers a request and says so, or leaves it to somebody else. */
export type ServeCompressed = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * Serves the scripts and styles of a build as it compressed them (brotli), to whoever takes that. Only files found at the
 * start are ever opened, whatever a path says. Their names change with their content, so they are kept for good.
 */
export function openCompressed(staticDir: string): ServeCompressed {
  const files = listCompressed(staticDir);
  return (request, response) => {
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    const file = isReading ? files.get((request.url ?? '').split('?', 1)[0] ?? '') : undefined;
    if (!file) return false;
    // Also where it is not compressed: what is kept for one reader must not be given to another.
    response.setHeader('vary', 'Accept-Encoding');
    if (!takesBrotli(request.headers['accept-encoding'])) return false;
    response.writeHead(200, {
      'content-type': file.type,
      'content-encoding': 'br',
      'content-length': file.bytes,
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    if (request.method === 'HEAD') response.end();
    else pipeline(createReadStream(file.path), response, () => {});
    return true;
  };
}

/** Whether an `Accept-Encoding` names brotli and does not refuse it (RFC 9110, 12.5.3). */
export function takesBrotli(accepted: string | string[] | undefined): boolean {
  const codings = String(accepted ?? '')
    .toLowerCase()
    .split(',')
    .map((coding) => coding.split(';').map((part) => part.trim()));
  return codings.some(([name, ...params]) => name === 'br' && !params.some((param) => /^q=0(\.0*)?$/.test(param)));
}

function listCompressed(staticDir: string): ReadonlyMap<string, CompressedFile> {
  if (!existsSync(staticDir)) return new Map();
  const entries = readdirSync(staticDir, { recursive: true, withFileTypes: true });
  const found = entries.flatMap(({ parentPath, name }): [string, CompressedFile][] => {
    const path = join(parentPath, name);
    const type = TYPES[extname(name.slice(0, -SUFFIX.length))];
    if (!name.endsWith(SUFFIX) || type === undefined) return [];
    const address = relative(staticDir, path.slice(0, -SUFFIX.length)).split(sep).join('/');
    return [[`${ADDRESS}${address}`, { path, type, bytes: statSync(path).size }]];
  });
  return new Map(found);
}
