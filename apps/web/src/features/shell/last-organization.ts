'use client';

const KEY = 'millrace-last-organization';

/** A convenience of this browser: which organization to open first. Its name in addresses, nothing about it. */
export function rememberOrganization(slug: string): void {
  localStorage.setItem(KEY, slug);
}

export function chooseOrganization(slugs: string[]): string | undefined {
  const last = localStorage.getItem(KEY);
  return slugs.find((slug) => slug === last) ?? slugs[0];
}
