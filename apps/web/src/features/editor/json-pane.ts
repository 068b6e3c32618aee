import type { Document } from '@millrace/workflow/edit';
import { parseDraft } from '../workflows/draft.ts';
import { isSameJson } from '../workflows/same-json.ts';
import { printDocument } from './print-document.ts';

/** What was typed into the JSON pane, and the document as it was after that. */
export interface Typed {
  readonly text: string;
  readonly document: Document | null;
}

/** The text of the pane: what was typed, until the document says something else; then the document printed. */
export function paneText(typed: Typed, document: Document): string {
  if (typed.document === document) return typed.text;
  const parsed = parseDraft(typed.text);
  return parsed.ok && isSameJson(parsed.dsl, document) ? typed.text : printDocument(document);
}
