import { type ClassValue, clsx } from 'clsx';
import { twMerge } from 'tailwind-merge';

/** Class names in which the later ones win. */
export function cn(...names: ClassValue[]): string {
  return twMerge(clsx(names));
}
