export interface Toast {
  id: number;
  text: string;
  tone: 'success' | 'danger';
}

const SHOWN_MS = 6_000;
const NONE: Toast[] = [];
let toasts = NONE;
let count = 0;
const listeners = new Set<() => void>();

/** Says something in the corner of the screen, and to screen readers, for a few seconds. */
export function toast(text: string, tone: Toast['tone'] = 'success'): void {
  count += 1;
  const id = count;
  change([...toasts, { id, text, tone }]);
  setTimeout(() => dismissToast(id), SHOWN_MS);
}

export function dismissToast(id: number): void {
  change(toasts.filter((shown) => shown.id !== id));
}

export function subscribeToToasts(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const readToasts = () => toasts;
/** A server has none to show. */
export const readNoToasts = () => NONE;

function change(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}
