import {
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { bracketMatching, syntaxHighlighting } from '@codemirror/language';
import { EditorState, type Extension } from '@codemirror/state';
import { Decoration, EditorView, keymap, MatchDecorator, ViewPlugin, type ViewUpdate } from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';
import { pageNonce } from '../../lib/page-nonce.ts';
import type { Completions } from './completions.ts';

interface CodeEditorSettings {
  parent: HTMLElement;
  text: string;
  label: string;
  /** Of the element that says what is wrong with it, and what it gives. */
  noteId: string;
  isReadOnly: boolean;
  isJson: boolean;
  change: (text: string) => void;
  complete: (text: string, position: number) => Completions | null;
}

export type CodeEditor = ReturnType<typeof openCodeEditor>;

/** A small editor in a field. Tab leaves it, as it leaves any field. */
export function openCodeEditor(settings: CodeEditorSettings) {
  const view = new EditorView({
    parent: settings.parent,
    state: EditorState.create({ doc: settings.text, extensions: extensionsFor(settings) }),
  });
  return {
    focus: () => view.focus(),
    close: () => view.destroy(),
    replace: (text: string) => {
      const length = view.state.doc.length;
      if (view.state.doc.toString() !== text) view.dispatch({ changes: { from: 0, to: length, insert: text } });
    },
  };
}

function extensionsFor({ label, noteId, isReadOnly, isJson, change, complete }: CodeEditorSettings): Extension[] {
  return [
    EditorView.cspNonce.of(pageNonce()),
    EditorView.contentAttributes.of({ 'aria-label': label, 'aria-describedby': noteId }),
    EditorState.readOnly.of(isReadOnly),
    EditorView.lineWrapping,
    history(),
    typeOverSelection,
    bracketMatching(),
    isJson ? json() : [],
    syntaxHighlighting(classHighlighter),
    markExpressions,
    autocompletion({ override: [(context) => suggest(context, complete)], icons: false }),
    keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
    EditorView.updateListener.of((update) => {
      // What the document put there is no typing of anybody.
      const isTyped = update.transactions.some(
        (one) => one.isUserEvent('input') || one.isUserEvent('delete') || isHistory(one),
      );
      if (update.docChanged && isTyped) change(update.state.doc.toString());
    }),
  ];
}

/** A browser that types over coloured text would keep its colour by an inline style, which the page's policy forbids. */
const typeOverSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== 'insertText' || !event.data || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: 'input.type', scrollIntoView: true });
    return true;
  },
});

function isHistory(transaction: { isUserEvent: (event: string) => boolean }): boolean {
  return ['undo', 'redo', 'move'].some((event) => transaction.isUserEvent(event));
}

function suggest(context: CompletionContext, complete: CodeEditorSettings['complete']): CompletionResult | null {
  const found = complete(context.state.doc.toString(), context.pos);
  if (!found || found.options.length === 0) return null;
  const isAsked =
    context.explicit || /[$.\w`]$/.test(context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos));
  return isAsked ? { from: found.from, options: found.options.map((option) => ({ ...option })) } : null;
}

const expressions = new MatchDecorator({
  regexp: /\{%(?:[^%{]|%(?!\})|\{(?!%))*%\}/g,
  decoration: Decoration.mark({ class: 'cm-expression' }),
});

const markExpressions = ViewPlugin.define(
  (view) => ({
    marks: expressions.createDeco(view),
    update(update: ViewUpdate) {
      this.marks = expressions.updateDeco(update, this.marks);
    },
  }),
  { decorations: ({ marks }) => marks },
);
