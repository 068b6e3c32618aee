import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  gunzip,
  inflate,
  inflateRaw,
} from 'node:zlib';
import { ActionError } from './sdk.ts';

export const MAX_RESPONSE_BYTES = 10 * 1024 * 1024;
/** What `readBody` can undo. */
export const ACCEPT_ENCODING = 'gzip, deflate, br';

/**
 * The whole body, decompressed, at most 10 MiB before and after decompression: memory stays bounded whatever is sent.
 * @throws ActionError RESPONSE_TOO_LARGE, RESPONSE_INVALID (unknown or broken encoding); errors of the stream as they are.
 */
export async function readBody(chunks: AsyncIterable<Uint8Array>, contentEncoding: string): Promise<Uint8Array> {
  const received = await collect(chunks);
  const encodings = encodingsOf(contentEncoding);
  let body = received;
  for (const encoding of encodings) if (body.length > 0) body = await decode(body, encoding);
  return body;
}

/**
 * The body as it comes, decompressed: whoever reads it sets the limit. Fails as `readBody` does; errors of the stream come as
 * they are.
 */
export async function* streamBody(
  chunks: AsyncIterable<Uint8Array>,
  contentEncoding: string,
): AsyncGenerator<Uint8Array> {
  let broken: unknown;
  const received = Readable.from(chunks, { objectMode: false }).on('error', (error) => {
    broken = error;
  });
  const decoders = encodingsOf(contentEncoding).map((encoding) => STREAMS[streamName(encoding)]());
  try {
    // An error on the way ends the last of them, and with it the loop.
    yield* decoders.reduce<Readable>((from, to) => pipeline(from, to, () => {}), received);
  } catch (error) {
    if (broken !== undefined) throw broken;
    throw error instanceof ActionError ? error : invalid('could not be decompressed');
  }
}

export function tooLarge(): ActionError {
  return new ActionError('RESPONSE_TOO_LARGE', `The answer is larger than ${MAX_RESPONSE_BYTES / 1024 / 1024} MiB.`);
}

/** Applied twice by some proxies; more is an attack. */
const MAX_ENCODINGS = 2;

const DECODERS = {
  br: promisify(brotliDecompress),
  deflate: promisify(inflate),
  'deflate-raw': promisify(inflateRaw),
  gzip: promisify(gunzip),
};

const STREAMS = { br: createBrotliDecompress, deflate: createInflate, gzip: createGunzip };

/** In the order in which they are undone. */
function encodingsOf(contentEncoding: string): string[] {
  const encodings = contentEncoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
    .reverse();
  if (encodings.length > MAX_ENCODINGS) throw invalid('is compressed too many times');
  return encodings;
}

function streamName(encoding: string): keyof typeof STREAMS {
  if (encoding === 'x-gzip') return 'gzip';
  if (encoding === 'gzip' || encoding === 'br' || encoding === 'deflate') return encoding;
  throw invalid('uses a compression that was not asked for');
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_RESPONSE_BYTES) throw tooLarge();
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

async function decode(body: Buffer, encoding: string): Promise<Buffer> {
  const decoder = DECODERS[decoderName(body, encoding)];
  try {
    return await decoder(body, { maxOutputLength: MAX_RESPONSE_BYTES });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw invalid('could not be decompressed');
  }
}

function decoderName(body: Buffer, encoding: string): keyof typeof DECODERS {
  if (encoding === 'gzip' || encoding === 'x-gzip') return 'gzip';
  if (encoding === 'br') return 'br';
  if (encoding !== 'deflate') throw invalid('uses a compression that was not asked for');
  // "deflate" means zlib (RFC 9110, 8.4.1.2), but some servers send the bare stream: only zlib's first byte ends in 8.
  return ((body[0] ?? 0) & 15) === 8 ? 'deflate' : 'deflate-raw';
}

function invalid(problem: string): ActionError {
  return new ActionError('RESPONSE_INVALID', `The answer ${problem}.`);
}
