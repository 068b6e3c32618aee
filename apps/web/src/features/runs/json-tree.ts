export type TreeKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

/** One line of a tree: a value with the name it has in what holds it. */
export interface TreeRow {
  /** A JSON Pointer; empty for the whole value. */
  pointer: string;
  /** 1 for the whole value. */
  level: number;
  name: string | null;
  kind: TreeKind;
  text: string;
  /** Null when there is nothing to open. */
  isOpen: boolean | null;
  position: number;
  siblings: number;
}

/** What a reader opened or closed, by pointer. */
export type OpenStates = ReadonlyMap<string, boolean>;

/** More of a text is read by copying it. */
const LONGEST_TEXT = 300;
/** What is this small and no deeper is open from the start. */
const OPEN_LEVELS = 2;
const OPEN_ENTRIES = 50;

/** The lines of a value that are to be seen, in order. Closed parts cost nothing, however large. */
export function rowsOf(value: unknown, states: OpenStates): TreeRow[] {
  const rows: TreeRow[] = [];
  const add = (it: unknown, place: Pick<TreeRow, 'pointer' | 'level' | 'name' | 'position' | 'siblings'>) => {
    const size = sizeOf(it);
    const opens = place.level <= OPEN_LEVELS && size <= OPEN_ENTRIES;
    const isOpen = size === 0 ? null : (states.get(place.pointer) ?? opens);
    rows.push({ ...place, kind: kindOf(it), text: printScalar(it), isOpen });
    if (!isOpen) return;
    let position = 0;
    for (const [name, child] of entriesOf(it)) {
      position += 1;
      const pointer = pointerTo(place.pointer, name);
      add(child, { pointer, level: place.level + 1, name, position, siblings: size });
    }
  };
  add(value, { pointer: '', level: 1, name: null, position: 1, siblings: 1 });
  return rows;
}

/** More matches than this help nobody. */
const MOST_MATCHES = 1_000;

/** Where a name or a value holds the words, in the order of the tree and regardless of case. */
export function findMatches(value: unknown, words: string): string[] {
  const wanted = words.trim().toLowerCase();
  const found: string[] = [];
  if (wanted === '') return found;
  const look = (it: unknown, pointer: string, name: string) => {
    if (found.length >= MOST_MATCHES) return;
    const isScalar = sizeOf(it) === 0;
    const text = isScalar ? `${name}\n${typeof it === 'string' ? it : JSON.stringify(it)}` : name;
    if (text.toLowerCase().includes(wanted)) found.push(pointer);
    for (const [key, child] of entriesOf(it)) look(child, pointerTo(pointer, key), key);
  };
  look(value, '', '');
  return found;
}

/** "2 of 5"; nothing while nobody searches. */
export function sayMatches({ words, at, count }: { words: string; at: number; count: number }): string {
  if (words.trim() === '') return '';
  if (count === 0) return 'No match';
  return `${at + 1} of ${count}${count === MOST_MATCHES ? '+' : ''}`;
}

/** With all that holds `pointer` open, so that its line is to be seen. */
export function revealing(states: OpenStates, pointer: string): OpenStates {
  const next = new Map(states);
  for (let end = pointer.lastIndexOf('/'); end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
    next.set(pointer.slice(0, end), true);
    if (end === 0) break;
  }
  return next;
}

/** Opens or closes everything: as much of it as can be drawn at once. */
export function withAll(value: unknown, isOpen: boolean, most = 20_000): OpenStates {
  const states = new Map<string, boolean>();
  const visit = (it: unknown, pointer: string) => {
    const size = sizeOf(it);
    if (size === 0 || states.size >= most) return;
    states.set(pointer, isOpen || pointer === '');
    for (const [name, child] of entriesOf(it)) visit(child, pointerTo(pointer, name));
  };
  visit(value, '');
  return states;
}

/** The part of a value that a JSON Pointer names. */
export function valueAt(value: unknown, pointer: string): unknown {
  let part = value;
  for (const name of pointer.split('/').slice(1))
    part = (part as Record<string, unknown>)[name.replaceAll('~1', '/').replaceAll('~0', '~')];
  return part;
}

function pointerTo(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function* entriesOf(value: unknown): Generator<[string, unknown]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield [String(index), item];
  else if (typeof value === 'object' && value !== null) yield* Object.entries(value);
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
}

function kindOf(value: unknown): TreeKind {
  if (Array.isArray(value)) return 'array';
  if (value === null || value === undefined) return 'null';
  return typeof value as TreeKind;
}

function printScalar(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? '1 item' : `${value.length} items`;
  if (typeof value === 'object' && value !== null) {
    const size = Object.keys(value).length;
    return size === 1 ? '1 field' : `${size} fields`;
  }
  const isLong = typeof value === 'string' && value.length > LONGEST_TEXT;
  return isLong ? `${JSON.stringify(value.slice(0, LONGEST_TEXT)).slice(0, -1)}…"` : JSON.stringify(value ?? null);
}
