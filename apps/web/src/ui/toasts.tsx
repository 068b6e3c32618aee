'use client';
import { CircleAlert, CircleCheck, X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { dismissToast, readNoToasts, readToasts, subscribeToToasts } from './toast-store.ts';

export function Toasts() {
  const toasts = useSyncExternalStore(subscribeToToasts, readToasts, readNoToasts);
  return (
    <div aria-live="polite" className="pointer-events-none fixed inset-x-4 bottom-4 z-60 grid justify-items-end gap-2">
      {toasts.map(({ id, text, tone }) => (
        <div
          key={id}
          className="pointer-events-auto flex max-w-sm items-center gap-3 rounded-xl border border-line bg-raised py-2.5 pr-2 pl-3.5 text-sm shadow-float"
        >
          {tone === 'success' ? (
            <CircleCheck aria-hidden className="size-4 shrink-0 text-success" />
          ) : (
            <CircleAlert aria-hidden className="size-4 shrink-0 text-danger" />
          )}
          <span>{text}</span>
          <button
            type="button"
            aria-label="Dismiss"
            onClick={() => dismissToast(id)}
            className="grid size-7 place-items-center rounded-lg text-muted hover:bg-hover"
          >
            <X aria-hidden className="size-3.5" />
          </button>
        </div>
      ))}
    </div>
  );
}
