import { messageOf } from '@millrace/shared/message-of';
import { isRecord } from '@millrace/workflow/json';
import { parseTemplateString } from '@millrace/workflow/template';
import type { Field } from './fields.ts';

export type Parsed = { ok: true; value: unknown } | { ok: false; message: string };

/** A value as the text of its control; undefined is no text. `parseField` reads it back as the same value. */
export function printField({ control }: Pick<Field, 'control'>, value: unknown): string {
  if (value === undefined) return '';
  if (control === 'expression') return printExpression(value);
  if (control === 'value') return printValue(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a person typed as the value it stands for. Nothing typed is no value. */
export function parseField({ control, takesNumber }: Pick<Field, 'control' | 'takesNumber'>, text: string): Parsed {
  if (control === 'value') return parseValue(text);
  if (text.trim() === '') return given(undefined);
  switch (control) {
    case 'expression':
      return given(parseExpressionField(text.trim()));
    case 'number':
      return Number.isFinite(Number(text)) ? given(Number(text)) : { ok: false, message: 'This must be a number.' };
    case 'text':
    case 'template':
      return given(takesNumber && /^\d+$/.test(text.trim()) ? Number(text) : text);
    default:
      return given(text);
  }
}

/** An expression stands in its field without the marks around it. Anything that is no single expression is shown as it is. */
function printExpression(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const { isWhole, parts } = parseTemplateString(value);
  const source = parts.find((part) => part.type === 'expression')?.source ?? '';
  return isWhole && !isMarked(source.trim()) ? source.trim() : value;
}

function parseExpressionField(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return isMarked(text) ? text : `{% ${text} %}`;
}

function isMarked(text: string): boolean {
  return text.includes('{%') || text.includes('%}');
}

/** JSON, but text stands without quotation marks unless it would be read as something else. */
function printValue(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value, null, 2);
  const parsed = parseValue(value);
  return parsed.ok && parsed.value === value ? value : JSON.stringify(value);
}

function parseValue(text: string): Parsed {
  const trimmed = text.trim();
  if (trimmed === '') return given(undefined);
  try {
    return given(JSON.parse(trimmed));
  } catch (error) {
    const looksLikeJson = /^(\{(?!%)|\[|")/.test(trimmed);
    if (!looksLikeJson) return given(text);
    return { ok: false, message: `This is not JSON: ${messageOf(error)}` };
  }
}

function given(value: unknown): Parsed {
  return { ok: true, value };
}

/** An object with a key set, or without it when there is no value. */
export function withField(target: unknown, key: string, value: unknown): Record<string, unknown> {
  const { [key]: _, ...rest } = isRecord(target) ? target : {};
  if (value === undefined) return rest;
  return isRecord(target) ? { ...target, [key]: value } : { [key]: value };
}

/** Pairs as rows: a name may be empty or there twice while it is typed, which an object cannot hold. */
export type Pair = readonly [name: string, text: string];

export function pairsOf(value: unknown): Pair[] {
  return Object.entries(isRecord(value) ? value : {}).map(([name, item]) => [
    name,
    printField({ control: 'text' }, item),
  ]);
}

/** What stays as it was typed keeps its type: only text that changed becomes text. */
export function recordOf(pairs: readonly Pair[], before: unknown): Record<string, unknown> | undefined {
  const old = isRecord(before) ? before : {};
  const entries = pairs
    .filter(([name]) => name !== '')
    .map(([name, text]) => [name, printField({ control: 'text' }, old[name]) === text ? (old[name] ?? text) : text]);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
