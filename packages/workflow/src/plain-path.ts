import { getOwn, isRecord, type Json } from './json.ts';
import { JSONATA_FUNCTIONS } from './jsonata-functions.ts';

type PathStep = { readonly name: string; readonly indexes: readonly number[] };

/** An expression simple enough to be evaluated in the worker itself: a literal, or a path such as `$a.b[0].c`. */
export type PlainExpression =
  | { readonly type: 'literal'; readonly value: Json }
  | { readonly type: 'path'; readonly root: PathStep; readonly steps: readonly PathStep[] };

const WORDS_OF_THE_GRAMMAR = new Set(['and', 'or', 'in', 'true', 'false', 'null', 'function']);
const LITERALS = new Map<string, Json>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/**
 * Compiles a literal or a plain path; null for anything else, which then belongs to JSONata. It declines whenever its
 * meaning could differ from JSONata's: escapes in strings, exponents, blanks inside a path, words of the grammar, names
 * of functions.
 */
export function compilePlain(source: string): PlainExpression | null {
  const text = trimBlanks(source);
  const literal = compileLiteral(text);
  return literal === undefined ? compilePath(text) : { type: 'literal', value: literal };
}

/**
 * The value of a plain expression, undefined when there is none. Same results as JSONata on JSON data, including
 * one-item sequences and flattening; reads own properties only; never evaluates anything. Values are returned by
 * reference and must not be changed. Unlike JSONata it has no limit on the number of items.
 */
export function evaluatePlain(expression: PlainExpression, bindings: Record<string, unknown>): unknown {
  if (expression.type === 'literal') {
    return expression.value;
  }
  const { root, steps } = expression;
  const start = unwrap(filterAll({ value: getOwn(bindings, root.name), kind: 'raw' }, root.indexes));
  if (steps.length === 0) {
    return start.value;
  }
  let current = collect([start], false);
  for (const [position, step] of steps.entries()) {
    const items: readonly unknown[] = Array.isArray(current.value) ? current.value : [];
    const found = items.map((item) => filterAll(unwrap(lookup(item, step.name)), step.indexes));
    current = collect(found, position === steps.length - 1);
  }
  return unwrap(current).value;
}

/**
 * Without what JSONata skips at both ends. Not by a regular expression: one that ends in `[ ]+$` starts anew at every
 * blank of a run inside the text, which takes seconds for 50 KB.
 */
function trimBlanks(text: string): string {
  const isBlank = (index: number) => ' \t\r\n'.includes(text.charAt(index));
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}

function compileLiteral(text: string): Json | undefined {
  const word = LITERALS.get(text);
  if (word !== undefined) {
    return word;
  }
  if (/^"[^"\\]*"$|^'[^'\\]*'$/.test(text)) {
    return text.slice(1, -1);
  }
  if (/^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(text)) {
    return Number(text);
  }
  return undefined;
}

function compilePath(text: string): PlainExpression | null {
  const token = /\$([A-Za-z_]\w*)|\.([A-Za-z_]\w*)|\.`([^`]+)`|\[(-?(?:0|[1-9]\d{0,8}))\]/y;
  const path: { name: string; indexes: number[] }[] = [];
  while (token.lastIndex < text.length) {
    const isFirst = token.lastIndex === 0;
    const match = token.exec(text);
    if (match === null || (match[1] !== undefined) !== isFirst) {
      return null;
    }
    const [, root, name, quoted, index] = match;
    if (index !== undefined) {
      path.at(-1)?.indexes.push(Number(index));
    } else if (name !== undefined && WORDS_OF_THE_GRAMMAR.has(name)) {
      return null;
    } else {
      path.push({ name: root ?? name ?? quoted ?? '', indexes: [] });
    }
  }
  const [root, ...steps] = path;
  return root === undefined || JSONATA_FUNCTIONS.has(root.name) ? null : { type: 'path', root, steps };
}

/**
 * JSONata marks arrays it made itself as sequences: empty ones vanish and one-item ones become the item. `tuple` is a
 * sequence that keeps its single item: JSONata makes one when it filters an object that has a `tupleStream` property.
 */
type Result = { readonly value: unknown; readonly kind: 'raw' | 'sequence' | 'tuple' };

function unwrap(result: Result): Result {
  if (result.kind !== 'sequence' || !Array.isArray(result.value) || result.value.length > 1) {
    return result;
  }
  return { value: result.value[0], kind: 'raw' };
}

function filterAll(result: Result, indexes: readonly number[]): Result {
  return indexes.reduce(filter, result);
}

function filter(input: Result, index: number): Result {
  const isTuple = input.kind === 'tuple' || (isRecord(input.value) && Boolean(getOwn(input.value, 'tupleStream')));
  const kind = isTuple ? 'tuple' : 'sequence';
  const list: readonly unknown[] = Array.isArray(input.value) ? input.value : [input.value];
  const item = list[index < 0 ? list.length + index : index];
  if (Array.isArray(item)) {
    return { value: item, kind: 'raw' };
  }
  return { value: item === undefined ? [] : [item], kind };
}

/** The values of one step of a path: flattened by one level, except that a last single list stays what it is. */
function collect(found: readonly Result[], isLast: boolean): Result {
  const present = found.filter((result) => result.value !== undefined);
  const [only] = present;
  if (isLast && present.length === 1 && only?.kind === 'raw' && Array.isArray(only.value)) {
    return only;
  }
  const items: unknown[] = [];
  for (const { value } of present) {
    appendFlat(items, value);
  }
  return { value: items, kind: 'sequence' };
}

function appendFlat(items: unknown[], value: unknown): void {
  if (!Array.isArray(value)) {
    items.push(value);
    return;
  }
  for (const item of value) {
    items.push(item);
  }
}

function lookup(input: unknown, name: string): Result {
  if (Array.isArray(input)) {
    const items: unknown[] = [];
    for (const item of input) {
      const { value } = lookup(item, name);
      if (value !== undefined) {
        appendFlat(items, value);
      }
    }
    return { value: items, kind: 'sequence' };
  }
  const isOpaque = !isRecord(input) || isFunctionLike(input);
  return { value: isOpaque ? undefined : getOwn(input, name), kind: 'raw' };
}

/**
 * JSONata represents functions as objects with one of these marks and would treat data that carries a mark as a
 * function. Such data is opaque to every path and refused as a result.
 */
export function isFunctionLike(value: Record<string, unknown>): boolean {
  return getOwn(value, '_jsonata_function') === true || getOwn(value, '_jsonata_lambda') === true;
}
