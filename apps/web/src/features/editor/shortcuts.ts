export type Shortcut = 'commands' | 'undo' | 'redo' | 'copy' | 'cut' | 'paste' | 'delete' | 'save' | 'all';

interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

const PLAIN: Record<string, Shortcut> = { Delete: 'delete', Backspace: 'delete' };
const WITH_CTRL: Record<string, Shortcut> = {
  k: 'commands',
  s: 'save',
  z: 'undo',
  y: 'redo',
  c: 'copy',
  x: 'cut',
  v: 'paste',
  a: 'all',
};
/** These mean the same while somebody types; the rest belongs to the field. */
const ANYWHERE = new Set<Shortcut>(['commands', 'save']);

/** What a press of keys asks for. `isTyping`: it went into a field. */
export function shortcutOf(press: Press, isTyping: boolean): Shortcut | null {
  if (press.altKey) return null;
  const isCtrl = press.ctrlKey || press.metaKey;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const found = (isCtrl ? WITH_CTRL : PLAIN)[key];
  if (!found || (isTyping && !ANYWHERE.has(found))) return null;
  if (!press.shiftKey) return found;
  return found === 'undo' ? 'redo' : null;
}
