import { Draft } from '@millrace/workflow/definition';
import type { Document } from '@millrace/workflow/edit';
import { parseDraft } from '../workflows/draft.ts';

export type ReadDocument = { ok: true; document: Document } | { ok: false; message: string };

/** The document in a text, if it is one that can be edited: an object of bounded size. It may be wrong in any other way. */
export function readDocument(text: string): ReadDocument {
  const parsed = parseDraft(text);
  if (!parsed.ok) return parsed;
  const draft = Draft.safeParse(parsed.dsl);
  return draft.success
    ? { ok: true, document: draft.data }
    : { ok: false, message: draft.error.issues[0]?.message ?? 'This is no workflow.' };
}
