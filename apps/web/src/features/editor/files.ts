import type { Document } from '@millrace/workflow/edit';
import { saveFile } from '../../lib/save-file.ts';
import type { Refusal } from './actions.ts';
import type { EditorStore } from './editor-store.ts';
import { printDocument } from './print-document.ts';
import { readDocument } from './read-document.ts';

/** No workflow is larger: the API takes no more. */
const MOST_BYTES = 1_048_576;

/** Puts the document of a file in the place of the one at hand, as one change that can be undone. */
export async function importDocument(store: EditorStore, file: Pick<File, 'size' | 'text'>): Promise<Refusal> {
  if (file.size > MOST_BYTES) return 'This file is larger than a workflow can be.';
  const read = readDocument(await file.text());
  return read.ok ? store.edit(() => read) : read.message;
}

/** Downloads a document as a file that is called after its workflow. */
export function exportDocument(name: string, dsl: Document): void {
  saveFile(new Blob([`${printDocument(dsl)}\n`], { type: 'application/json' }), fileName(name));
}

/** Letters and digits of any script survive; everything else is a hyphen. */
export function fileName(name: string): string {
  const stem = name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '');
  return `${stem || 'workflow'}.json`;
}
