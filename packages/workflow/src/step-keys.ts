/** The scope of the steps of `settings.onFailure`. No index is spelled with letters, so no iteration can be meant. */
export const ON_FAILURE = 'onFailure';

/** The key of a node's step in a scope: '' is the run, `each.3` an iteration, `onFailure` the steps after a failure. */
export function stepKeyIn(scope: string, id: string): string {
  return scope === '' ? id : `${scope}.${id}`;
}

/** The scope of an iteration; also the key under which its value is kept. */
export function iterationScope(stepKey: string, index: number): string {
  return `${stepKey}.${index}`;
}

/** The id of the node a step key belongs to: its last part. */
export function nodeIdOf(stepKey: string): string {
  return stepKey.slice(stepKey.lastIndexOf('.') + 1);
}

/** The scope a step key belongs to: all but its last part. */
export function scopeOf(stepKey: string): string {
  return stepKey.slice(0, Math.max(0, stepKey.lastIndexOf('.')));
}

/** One loop around a scope: the id of its node and the index of the iteration. */
export type ScopePart = { readonly id: string; readonly index: number };

export type ScopeParts = { readonly isOnFailure: boolean; readonly loops: readonly ScopePart[] };

/** A scope taken apart, from the outside in; null when it cannot be one. */
export function parseScope(scope: string): ScopeParts | null {
  const parts = scope === '' ? [] : scope.split('.');
  const isOnFailure = parts[0] === ON_FAILURE && !isIndex(parts[1]);
  const rest = isOnFailure ? parts.slice(1) : parts;
  const loops: ScopePart[] = [];
  for (let at = 0; at < rest.length; at += 2) {
    const [id, index] = [rest[at], rest[at + 1]];
    if (id === undefined || !isIndex(index)) {
      return null;
    }
    loops.push({ id, index: Number(index) });
  }
  return { isOnFailure, loops };
}

function isIndex(text: string | undefined): text is string {
  return text !== undefined && /^(0|[1-9]\d{0,5})$/.test(text);
}
