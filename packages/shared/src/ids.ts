import { parse, v7 } from 'uuid';
import { z } from 'zod';

/** Any UUID, lower case: ids arrive in any case and leave in one, so equality is plain string equality. */
export const Id = z.uuid().toLowerCase();

/** A new UUID version 7: time-ordered, so that index inserts stay at the right edge (RFC 9562 section 5.7). */
export function newId(): string {
  return v7();
}

/** Its 16 bytes. Throws for a text that is no UUID. */
export function uuidBytes(id: string): Uint8Array {
  return parse(id);
}

/** Any 16 bytes, written as a UUID in lower case. */
export function toUuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
