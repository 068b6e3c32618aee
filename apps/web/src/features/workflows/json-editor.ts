import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter } from '@codemirror/lint';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';
import { pageNonce } from '../../lib/page-nonce.ts';

interface JsonEditorSettings {
  parent: HTMLElement;
  text: string;
  label: string;
  isReadOnly: boolean;
  onChange: (text: string) => void;
}

/** An editor of JSON in `parent`. Its colours are classes of the style sheet, its own styles carry the page's nonce. */
export function openJsonEditor({ parent, text, label, isReadOnly, onChange }: JsonEditorSettings): EditorView {
  const extensions: Extension[] = [
    EditorView.cspNonce.of(pageNonce()),
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
    EditorState.readOnly.of(isReadOnly),
    EditorState.tabSize.of(2),
    lineNumbers(),
    foldGutter(),
    lintGutter(),
    history(),
    indentOnInput(),
    bracketMatching(),
    highlightActiveLine(),
    json(),
    linter(jsonParseLinter()),
    syntaxHighlighting(classHighlighter),
    // Escape first, then Tab, leaves the editor: nobody is caught in it.
    keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) onChange(update.state.doc.toString());
    }),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
}
