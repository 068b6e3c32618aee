import type { ExpressionBindings, ExpressionResult } from '@millrace/workflow/expression';
import { analyzeExpression } from '@millrace/workflow/references';
import { listExpressions } from '@millrace/workflow/template-tree';

/** What a field's text gives with the samples at hand, or why not. */
export type Preview =
  | { type: 'none' }
  | { type: 'value'; value: unknown }
  | { type: 'missing'; steps: readonly string[] }
  | { type: 'error'; message: string };

/** Steps that an expression of the value reads and that have no sample: then a result would mislead. */
export function missingSamples(value: unknown, bindings: ExpressionBindings): string[] {
  const read = listExpressions(value, '').flatMap(({ source }) => analyzeExpression(source).steps.map(({ id }) => id));
  return [...new Set(read)].filter((id) => !Object.hasOwn(bindings.steps[id] ?? {}, 'output'));
}

/** Whether there is anything to evaluate. */
export function hasExpressions(value: unknown): boolean {
  return listExpressions(value, '').length > 0;
}

export function toPreview(result: ExpressionResult): Preview {
  return result.ok ? { type: 'value', value: result.value } : { type: 'error', message: result.error.message };
}

const SHOWN = 240;

/** A result in the space of two lines. */
export function printPreview(value: unknown): string {
  const text = JSON.stringify(value) ?? 'no value';
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
