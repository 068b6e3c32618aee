'use client';
import { type KeyboardEvent, type MouseEvent, useEffect, useRef, useState } from 'react';
import { toast } from './toast-store.ts';

export type MenuParts = typeof import('./menu-parts.tsx');

const OPENING_KEYS = ['Enter', ' ', 'ArrowDown'];

/**
 * What a menu is made of, loaded when somebody comes near its button: pages load without it. The first opening is passed
 * on to the menu as the press that it was, so that keys and pointer do what they do in any menu.
 */
export function useMenuParts() {
  const [parts, setParts] = useState<MenuParts | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const opening = useRef<Event>(null);
  const open = async (press: Event) => {
    opening.current = press;
    try {
      setParts(await loadParts());
    } catch {
      toast('The menu could not be loaded; check your connection and try again.', 'danger');
    }
  };
  useEffect(() => {
    if (!parts || !opening.current) return;
    // The button was made anew within the menu, which gives the focus back to it when it closes.
    button.current?.focus();
    button.current?.dispatchEvent(opening.current);
    opening.current = null;
  }, [parts]);
  const trigger = {
    ref: button,
    'aria-haspopup': 'menu',
    'aria-expanded': false,
    onPointerEnter: preload,
    onFocus: preload,
    onClick: (_: MouseEvent) => void open(new PointerEvent('pointerdown', { bubbles: true, button: 0 })),
    onKeyDown: (event: KeyboardEvent) => {
      if (!OPENING_KEYS.includes(event.key)) return;
      event.preventDefault();
      void open(new window.KeyboardEvent('keydown', { bubbles: true, key: event.key }));
    },
  } as const;
  return { parts, trigger, button };
}

function loadParts(): Promise<MenuParts> {
  return import('./menu-parts.tsx');
}

/** Only in advance: whoever presses the button hears of a failure. */
function preload(): void {
  loadParts().catch(() => undefined);
}
