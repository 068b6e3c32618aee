import type { Problem } from './problem.ts';
import { joinPath } from './problem.ts';

/** Levels of arrays and objects a document may nest; everything after this check may recurse safely. */
const MAX_DEPTH = 100;
/** Values (keys and items) a whole document may hold. A 1 MiB request body rarely holds more. */
const MAX_VALUES = 200_000;

type Visit = { readonly value: unknown; readonly depth: number; readonly path: () => string };

/**
 * Checks size, depth and key names of an arbitrary value without recursion, so that no input can exhaust the stack.
 * `fits` false means the value must not be walked any further. `__proto__` is refused as a key anywhere in a document:
 * it has no honest use and every later copy would need to survive it.
 */
export function checkBounds(input: unknown): { readonly fits: boolean; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  const stack: Visit[] = [{ value: input, depth: 0, path: () => '' }];
  let count = 0;
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    count += 1;
    if (count > MAX_VALUES) {
      problems.push({ path: '', code: 'TOO_LARGE', message: `A document holds at most ${MAX_VALUES} values.` });
      return { fits: false, problems };
    }
    if (visit.depth > MAX_DEPTH) {
      problems.push({ path: '', code: 'TOO_DEEP', message: `A document nests at most ${MAX_DEPTH} levels.` });
      return { fits: false, problems };
    }
    problems.push(...checkValue(visit));
    // One push each: spreading a list of 200,000 into arguments would overflow the stack.
    for (const child of children(visit, MAX_VALUES - count - stack.length)) {
      stack.push(child);
    }
  }
  return { fits: problems.every((problem) => problem.code !== 'NOT_JSON'), problems };
}

function checkValue({ value, path }: Visit): Problem[] {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return [{ path: path(), code: 'NOT_JSON', message: 'Only finite numbers are allowed.' }];
  }
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
    return [];
  }
  if (typeof value !== 'object') {
    return [{ path: path(), code: 'NOT_JSON', message: 'Only JSON values are allowed.' }];
  }
  if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) {
    return [{ path: joinPath(path(), '__proto__'), code: 'FORBIDDEN_KEY', message: 'This key is not allowed.' }];
  }
  return [];
}

/** At most `room + 1` children are listed: one too many is enough to trip the limit of the caller. */
function children({ value, depth, path }: Visit, room: number): Visit[] {
  if (typeof value !== 'object' || value === null) {
    return [];
  }
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  const found: Visit[] = [];
  for (const key of keys) {
    if (found.length > room) {
      break;
    }
    const child: unknown = Reflect.get(value, key);
    found.push({ value: child, depth: depth + 1, path: () => joinPath(path(), key) });
  }
  return found;
}
