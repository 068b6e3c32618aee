import { ExpressionFault } from './expression-fault.ts';
import { isRecord, type Json, setOwn } from './json.ts';
import { isFunctionLike } from './plain-path.ts';

/** Levels a value may nest, so that everything behind (copying, JSON) can recurse. */
const MAX_DEPTH = 500;

/**
 * Size of one evaluated tree, about the length of its JSON text: an expression can repeat a part of a value 2^n times
 * in n lines without using memory before it is copied.
 */
export const RESULT_MAX_SIZE = 16_000_000;

/** What is left of RESULT_MAX_SIZE for one tree; shared by all its expressions and used up while copying. */
export type SizeBudget = { left: number };

/**
 * Copies the result of an expression into plain JSON: functions, regular expressions and non-finite numbers fail
 * EXPRESSION_TYPE; keys are written as own properties whatever their name; lists are copied without the extra
 * properties JSONata puts on them. Missing values in lists become null, in objects they are left out.
 * Throws an ExpressionFault: OUTPUT_TOO_LARGE when the budget is used up, EXPRESSION_LIMIT when the value nests too deep.
 */
export function copyResult(value: unknown, budget: SizeBudget, depth = 0): Json {
  spend(budget, 2);
  if (value === null || typeof value === 'boolean') {
    return value;
  }
  if (typeof value === 'string') {
    spend(budget, value.length);
    return value;
  }
  if (typeof value === 'number') {
    return copyNumber(value);
  }
  if (!Array.isArray(value) && !isRecord(value)) {
    throw new ExpressionFault('EXPRESSION_TYPE', 'The expression gives a function, which is not a value.');
  }
  if (depth >= MAX_DEPTH) {
    throw new ExpressionFault('EXPRESSION_LIMIT', `The value nests more than ${MAX_DEPTH} levels.`);
  }
  return Array.isArray(value) ? copyList(value, budget, depth) : copyObject(value, budget, depth);
}

function copyNumber(value: number): number {
  if (!Number.isFinite(value)) {
    throw new ExpressionFault('EXPRESSION_TYPE', 'The expression gives a number that is not finite.');
  }
  return value;
}

function copyList(list: readonly unknown[], budget: SizeBudget, depth: number): Json[] {
  const copy: Json[] = [];
  for (const item of list) {
    copy.push(item === undefined ? null : copyResult(item, budget, depth + 1));
  }
  return copy;
}

function copyObject(value: Record<string, unknown>, budget: SizeBudget, depth: number): Json {
  if (isFunctionLike(value)) {
    throw new ExpressionFault('EXPRESSION_TYPE', 'The expression gives a function, which is not a value.');
  }
  const copy: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) {
      spend(budget, key.length + 4);
      setOwn(copy, key, copyResult(item, budget, depth + 1));
    }
  }
  return copy;
}

function spend(budget: SizeBudget, size: number): void {
  budget.left -= size;
  if (budget.left < 0) {
    throw new ExpressionFault('OUTPUT_TOO_LARGE', 'The values of the expressions are larger than 16 MB together.');
  }
}
