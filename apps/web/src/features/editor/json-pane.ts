import type { Document } from '@millrace/workflow/edit';
import { parseDraft, printDraft } from '../workflows/draft.ts';
import { isSameJson } from '../workflows/same-json.ts';

/** The text of the JSON pane: what was typed, as long as it says what the document says; else the document printed. */
export function paneText(typed: string, document: Document): string {
  const parsed = parseDraft(typed);
  return parsed.ok && isSameJson(parsed.dsl, document) ? typed : printDraft(document);
}
