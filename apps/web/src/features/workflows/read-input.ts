import { messageOf } from '@millrace/shared/message-of';

/** A value that was typed as JSON; empty text is none. */
export function readInput(text: string): { ok: true; value: unknown } | { ok: false; message: string } {
  if (text.trim() === '') return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, message: `This is not JSON: ${messageOf(error)}` };
  }
}
