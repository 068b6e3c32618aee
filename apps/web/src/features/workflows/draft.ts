import { messageOf } from '@millrace/shared/message-of';
import { isSameJson } from './same-json.ts';

export type ParsedDraft = { ok: true; dsl: Record<string, unknown> } | { ok: false; message: string };

/** The document in the text of the editor. */
export function parseDraft(text: string): ParsedDraft {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { ok: true, dsl: value as Record<string, unknown> };
    return { ok: false, message: 'A workflow is a JSON object.' };
  } catch (error) {
    return { ok: false, message: `This is not JSON: ${messageOf(error)}` };
  }
}

export function printDraft(dsl: Record<string, unknown>): string {
  return JSON.stringify(dsl, null, 2);
}

/** Whether the text says something else than the document that was saved. */
export function isChanged(text: string, saved: Record<string, unknown>): boolean {
  const parsed = parseDraft(text);
  return !parsed.ok || !isSameJson(parsed.dsl, saved);
}
