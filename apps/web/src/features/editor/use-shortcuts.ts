'use client';
import { graphAt } from '@millrace/workflow/edit';
import { useEffect } from 'react';
import { toast } from '../../ui/toast-store.ts';
import { copySelected, pasteText, removeSelected, selectAll } from './actions.ts';
import { type Shortcut, shortcutOf } from './shortcuts.ts';
import { type EditorTools, sayRefusal } from './use-editor.ts';

const CHANGES = new Set<Shortcut>(['undo', 'redo', 'cut', 'paste', 'delete', 'save']);

/** The keys of the editor, wherever the focus is but in fields, which have keys of their own. */
export function useShortcuts({ store, saving: { flush } }: EditorTools, isReadOnly: boolean): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const shortcut = shortcutOf(event, isTyping(event.target));
      if (!shortcut || (isReadOnly && CHANGES.has(shortcut)) || isElsewhere(event.target)) return;
      if (shortcut === 'copy' && document.getSelection()?.isCollapsed === false) return;
      event.preventDefault();
      void perform(shortcut, store, flush);
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [store, flush, isReadOnly]);
}

async function perform(shortcut: Shortcut, store: EditorTools['store'], flush: () => Promise<boolean>): Promise<void> {
  const { session } = store.read();
  switch (shortcut) {
    case 'commands':
      return store.session({ type: 'commands', commands: session.commands === 'closed' ? 'all' : 'closed' });
    case 'undo':
    case 'redo':
      return store.history({ type: shortcut });
    case 'save':
      return void (await flush());
    case 'delete':
      return sayRefusal(removeSelected(store));
    case 'all':
      return selectAll(store, graphAt(store.document(), session.place)?.nodes.flatMap(({ id }) => id ?? []) ?? []);
    case 'copy':
    case 'cut':
      await copy(store);
      return shortcut === 'cut' ? sayRefusal(removeSelected(store)) : undefined;
    case 'paste':
      return sayRefusal(pasteText(store, await clipboardText(), session.place));
  }
}

/** Also kept here, for browsers that do not let a page read the clipboard. */
let lastCopy = '';

async function copy(store: EditorTools['store']): Promise<void> {
  const text = copySelected(store);
  if (text === null) return;
  lastCopy = text;
  await navigator.clipboard?.writeText(text).catch(() => undefined);
  const count = store.read().session.nodes.length;
  toast(count === 1 ? 'The step is copied.' : `${count} steps are copied.`);
}

async function clipboardText(): Promise<string> {
  const text = await navigator.clipboard?.readText().catch(() => '');
  return text || lastCopy;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable="true"]') !== null;
}

/** A dialog or a menu in front of the editor has the keys. */
function isElsewhere(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('[role="dialog"], [role="menu"]') !== null;
}
