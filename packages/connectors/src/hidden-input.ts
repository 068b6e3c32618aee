import { findAction } from './catalog.ts';
import { HIDDEN } from './sdk.ts';

/** What may be stored and shown of an action's input: where a credential may be, it says `[hidden]`. */
export function hideCredentials<T>(nodeType: string, input: T): T {
  const action = findAction(nodeType);
  return action?.hide === undefined ? input : (action.hide(input) as T);
}

/** True for an input as `hideCredentials` leaves it, when it hid anything. */
export function isHidden(input: unknown): boolean {
  if (typeof input !== 'object' || input === null) return input === HIDDEN;
  return Object.values(input).some(isHidden);
}

/** The stored input, with what was hidden in it taken from the same place of a fresh one. */
export function revealCredentials<T>(stored: T, fresh: unknown): T {
  if (stored === HIDDEN) return fresh as T;
  if (typeof stored !== 'object' || stored === null) return stored;
  if (Array.isArray(stored)) return stored.map((item, index) => revealCredentials(item, partOf(fresh, index))) as T;
  const entries = Object.entries(stored).map(([key, item]) => [key, revealCredentials(item, partOf(fresh, key))]);
  return Object.fromEntries(entries);
}

/** A place that is gone stays hidden: the action then sends the word instead of a credential, and is refused. */
function partOf(value: unknown, key: string | number): unknown {
  const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
  return isThere ? (value as Record<string | number, unknown>)[key] : HIDDEN;
}
