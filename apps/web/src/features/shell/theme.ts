'use client';

export type Theme = 'system' | 'light' | 'dark';

const YEAR_SEC = 31_536_000;

/** Told to the server by a cookie, so that a page arrives in its colours instead of changing them before one's eyes. */
export function chooseTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
  const age = theme === 'system' ? 0 : YEAR_SEC;
  const secure = window.location.protocol === 'https:' ? '; secure' : '';
  // The Cookie Store API is not in every browser that this app supports.
  writeCookie(`theme=${theme}; path=/; max-age=${age}; samesite=lax${secure}`);
}

function writeCookie(text: string): void {
  Reflect.set(document, 'cookie', text);
}
