import { json } from '@codemirror/lang-json';
import { syntaxHighlighting } from '@codemirror/language';
import { unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';
import { pageNonce } from '../../lib/page-nonce.ts';

interface DiffSettings {
  parent: HTMLElement;
  label: string;
  before: string;
  after: string;
}

/** Shows a comparison in `parent`, which nobody can edit; answers how to take it away. */
export function openDiff({ parent, label, before, after }: DiffSettings): () => void {
  const extensions = [
    EditorView.cspNonce.of(pageNonce()),
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    json(),
    syntaxHighlighting(classHighlighter),
    unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged: { margin: 3 } }),
  ];
  const view = new EditorView({ parent, state: EditorState.create({ doc: after, extensions }) });
  return () => view.destroy();
}
