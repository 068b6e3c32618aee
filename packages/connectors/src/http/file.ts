import { parse } from 'content-disposition';
import type { HttpHead } from '../sdk.ts';

/** The id of a file value, undefined for any other body. */
export function fileIdOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, '$file')) return undefined;
  const { $file } = body as { $file: unknown };
  return typeof $file === 'string' ? $file : undefined;
}

/**
 * What an answer says about the file that it is. The name comes from its `Content-Disposition`, else from the address; it is
 * text from a stranger, made fit to be one name in one folder.
 */
export function describeFile(headers: HttpHead['headers'], url: string) {
  const [type, length] = [String(headers['content-type'] ?? '').trim(), headers['content-length']];
  const isPlain = headers['content-encoding'] === undefined;
  return {
    name: toFileName(nameOf(headers['content-disposition']) || lastPartOf(url)),
    contentType: MEDIA_TYPE.test(type) && type.length <= MAX_TYPE_CHARACTERS ? type : 'application/octet-stream',
    declaredBytes: isPlain && typeof length === 'string' ? Number(length) : undefined,
  };
}

/** RFC 9110, section 8.3.1, with parameters as they are. */
const MEDIA_TYPE = /^[\w.+!#$&^-]+\/[\w.+!#$&^-]+(\s*;[\t\x20-\x7e]*)?$/;
const MAX_TYPE_CHARACTERS = 200;
const MAX_NAME_CHARACTERS = 200;

function nameOf(disposition: string | string[] | undefined): string {
  if (typeof disposition !== 'string') return '';
  try {
    return parse(disposition).parameters.filename ?? '';
  } catch {
    // Not as RFC 6266 has it.
    return '';
  }
}

function lastPartOf(url: string): string {
  const part = URL.parse(url)?.pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function toFileName(text: string): string {
  const name = text.split(/[\\/]/).at(-1) ?? '';
  const safe = name.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]+/gu, '').trim();
  // Half a character at the end would be none.
  const cut = [...safe].slice(0, MAX_NAME_CHARACTERS).join('');
  return /^\.*$/.test(cut) ? 'file' : cut;
}
