import { v7 } from 'uuid';
import { z } from 'zod';

/** Any UUID, lower case: ids arrive in any case and leave in one, so equality is plain string equality. */
export const Id = z.uuid().toLowerCase();

/** A new UUID version 7: time-ordered, so that index inserts stay at the right edge (RFC 9562 section 5.7). */
export function newId(): string {
  return v7();
}
