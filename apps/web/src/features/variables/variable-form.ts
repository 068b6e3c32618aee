import { putVariable } from '@millrace/shared/contracts/variables';
import { z } from 'zod';

/** How a value is typed: as plain text, or as JSON for everything else. */
export type ValueKind = 'text' | 'json';

/** A variable as it is typed. `taken` are the names that a new one may not have: setting it would replace that one. */
export function variableForm(taken: readonly string[]) {
  return z
    .object({
      name: z
        .string()
        .pipe(putVariable.params.shape.name)
        .refine((name) => !taken.includes(name), 'is the name of another variable; edit that one'),
      kind: z.enum(['text', 'json']),
      text: z.string(),
    })
    .transform(({ name, kind, text }, context) => {
      if (kind === 'text') return { name, value: text as unknown };
      const read = readJson(text);
      if (read) return { name, value: read.value };
      context.addIssue({ code: 'custom', path: ['text'], message: 'must be JSON, as 42, true, "text" or {"a": 1}' });
      return z.NEVER;
    });
}

export function typeOf(value: unknown): { kind: ValueKind; text: string } {
  return typeof value === 'string'
    ? { kind: 'text', text: value }
    : { kind: 'json', text: JSON.stringify(value, null, 2) };
}

/** One line of a value, for lists. */
export function sayValue(value: unknown): string {
  if (value === '') return '(empty text)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function readJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
