import { isRecord } from '@millrace/workflow/json';
import { JSONATA_FUNCTIONS } from '@millrace/workflow/jsonata-functions';

/** What an expression at one place can read, as far as samples tell. */
export type Sample = Readonly<Record<string, unknown>>;

interface Completion {
  readonly label: string;
  /** What kind of value it is, or a short one itself. */
  readonly detail: string;
}

export interface Completions {
  /** Offset in the text from which the chosen label is written. */
  readonly from: number;
  readonly options: readonly Completion[];
}

/** Bounded everywhere, so that no text takes long. */
const PATH =
  /\$(?:\w{1,100}(?:\[-?\d{1,9}\])?(?:\.(?:\w{1,100}|`[^`]{0,100}`)(?:\[-?\d{1,9}\])?){0,20}\.?)?`?[\w-]{0,100}$/;

/**
 * What can stand at a position. `bare`: the whole text is an expression; otherwise only what is between `{%` and `%}`.
 * Null where nothing can be completed.
 */
export function completionsAt(text: string, position: number, sample: Sample, bare: boolean): Completions | null {
  const start = bare ? 0 : expressionStart(text, position);
  if (start === null) return null;
  const path = PATH.exec(text.slice(start, position))?.[0];
  if (path === undefined) return null;
  const lastDot = path.lastIndexOf('.');
  if (lastDot === -1) return { from: position - path.length, options: names(sample) };
  const value = readPath(sample, path.slice(1, lastDot));
  const options = keysOf(value);
  return options.length === 0 ? null : { from: position - (path.length - lastDot - 1), options };
}

function expressionStart(text: string, position: number): number | null {
  const open = text.lastIndexOf('{%', position - 1);
  if (open === -1 || open + 2 > position) return null;
  return text.slice(open + 2, position).includes('%}') ? null : open + 2;
}

function names(sample: Sample): Completion[] {
  const own = Object.entries(sample).map(([name, value]) => ({ label: `$${name}`, detail: describe(value) }));
  const functions = [...JSONATA_FUNCTIONS]
    .filter((name) => name !== 'eval')
    .map((name) => ({ label: `$${name}(`, detail: 'function' }));
  return [...own, ...functions];
}

function readPath(sample: Sample, path: string): unknown {
  const parts = path.match(/\w+|`[^`]*`|\[-?\d+\]/g) ?? [];
  return parts.reduce<unknown>((value, part) => {
    if (part.startsWith('[')) return Array.isArray(value) ? value.at(Number(part.slice(1, -1))) : value;
    const key = part.replaceAll('`', '');
    const owner = Array.isArray(value) ? value.find(isRecord) : value;
    return isRecord(owner) && Object.hasOwn(owner, key) ? owner[key] : undefined;
  }, sample);
}

function keysOf(value: unknown): Completion[] {
  const owner = Array.isArray(value) ? value.find(isRecord) : value;
  if (!isRecord(owner)) return [];
  return Object.entries(owner).map(([key, item]) => ({ label: quoteKey(key), detail: describe(item) }));
}

function quoteKey(key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? key : `\`${key}\``;
}

/** A value in a few characters. */
function describe(value: unknown): string {
  if (value === undefined) return 'no sample';
  if (Array.isArray(value)) return value.length === 1 ? 'list of 1' : `list of ${value.length}`;
  if (isRecord(value)) return 'object';
  const text = JSON.stringify(value);
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}
