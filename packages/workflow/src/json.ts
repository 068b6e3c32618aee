/** Any value JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** True for a non-null object that is not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Writes an own property whatever its name. A plain assignment to `__proto__` would replace the prototype of the
 * target instead of adding a key, which is how data turns into prototype pollution.
 */
export function setOwn<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
    return;
  }
  target[key] = value;
}

/** The own property of that name, never an inherited one such as `constructor`. */
export function getOwn(target: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(target, key) ? target[key] : undefined;
}

/**
 * Whether the JSON text of a value has more than about so many characters: at least one for each value and comma, and those of
 * its strings and keys. Looks no further once it knows, so that asking costs little, however large the value is.
 */
export function isLongerThan(value: Json | undefined, limit: number): boolean {
  return remainder(value, limit) < 0;
}

function remainder(value: Json | undefined, limit: number): number {
  if (typeof value === 'string') return limit - value.length - 2;
  if (typeof value !== 'object' || value === null) return limit - 5;
  let left = limit - 2;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && left >= 0; index += 1) left = remainder(value[index], left - 1);
    return left;
  }
  for (const key in value) {
    if (left < 0) return left;
    left = remainder(value[key], left - key.length - 4);
  }
  return left;
}
