import type { Contract } from '@millrace/shared/contracts/contract';

/** The most that any body may hold, in bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** What a stranger may have read and parsed before anything about them is known. */
const STRANGERS_BODY_BYTES = 16 * 1024;
const NO_BODY_BYTES = 1024;

/** How much of a body is read for this contract: a caller who is not known yet must not make the server parse much. */
export function bodyLimitOf({ body, auth }: Contract): number {
  if (!body) return NO_BODY_BYTES;
  return auth === 'bearer' || auth === 'session' ? MAX_BODY_BYTES : STRANGERS_BODY_BYTES;
}
