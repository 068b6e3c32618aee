import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { toJsonText } from './json-text.ts';

/** Values of runs that are too large for the rows of the hot path: JSON text, compressed, in rows of their own. */

/** A value whose JSON text has more bytes leaves its row. */
export const MAX_INLINE_BYTES = 64 * 1024;

/** What the database takes at most; a worker stores no more than half of it. */
const MAX_BLOB_BYTES = 32 * 1024 * 1024;

/** A text that is stored beside its row; `data` is compressed. */
export interface Blob {
  sizeBytes: number;
  data: Buffer;
}

/** The text of a value for its row, or what is stored beside it. Undefined for no value. */
export type Placed = { text: string } | { blob: Blob } | undefined;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Decides where a value is stored. Throws UnstorableJsonError. */
export async function placeValue(value: unknown): Promise<Placed> {
  const text = toJsonText(value);
  if (text === null) return undefined;
  if (text.length * 3 <= MAX_INLINE_BYTES) return { text };
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_INLINE_BYTES) return { text };
  return { blob: { sizeBytes: bytes.length, data: await compress(bytes) } };
}

/** The JSON text of a blob. */
export async function openBlob(data: Buffer): Promise<Buffer> {
  return await decompress(data, { maxOutputLength: MAX_BLOB_BYTES });
}

/** The value of a row: what stands in it, or in the blob beside it. */
export async function readValue(inline: unknown, blob: Buffer | null): Promise<unknown> {
  return blob === null ? inline : (JSON.parse((await openBlob(blob)).toString()) as unknown);
}
