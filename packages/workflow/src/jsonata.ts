import jsonata from 'jsonata';
import { ExpressionFault } from './expression-fault.ts';
import { toExpressionFault, toSyntaxFault } from './jsonata-errors.ts';
import { countDefaultNesting, MAX_DEFAULT_NESTING } from './parse-cost.ts';
import { createRandom } from './random.ts';
import { rememberRecent } from './recent.ts';
import { createLinearRegExp } from './regex-engine.ts';

/** Longest source of one expression, in characters. */
export const EXPRESSION_MAX_LENGTH = 8192;

/** Longest string `$pad` makes: it allocates in one go, past every other limit. */
const PAD_MAX_WIDTH = 100_000;

/**
 * `timeout` in milliseconds of one expression; `sequence` in items. `stack` counts nested evaluations, and the entries
 * of one object or array constructor count as nested, so it must leave room for wide mappings; endless recursion still
 * ends within milliseconds.
 */
const GUARDS = {
  timeout: 500,
  stack: 1000,
  sequence: 100_000,
  // JSONata calls it with `new`; a function that returns an object is a constructor to it.
  RegexEngine: function RegexEngine(pattern: RegExp) {
    return createLinearRegExp(pattern);
  } as unknown as RegExpConstructor,
};

type Compiled =
  | { readonly ok: true; readonly expression: jsonata.Expression }
  | { readonly ok: false; readonly fault: ExpressionFault };

const compileRecent = rememberRecent<Compiled>(200, compile);

/** Time as epoch milliseconds for `$now` and `$millis`; `random` feeds `$random` and `$shuffle`. */
export type EvaluationContext = { readonly now: number; readonly random?: () => number };

/**
 * The syntax tree of an expression, as JSONata describes it; not to be changed. Parsed trees are cached.
 * Throws an ExpressionFault (EXPRESSION_SYNTAX, EXPRESSION_TOO_LONG) with the position of the mistake.
 */
export function parseExpression(source: string): unknown {
  return compiled(source).ast();
}

/**
 * Evaluates one expression under guards: time, depth, number of items, linear regular expressions, no `$eval`, and a
 * result that depends on nothing but the arguments. The result is JSONata's own and may hold functions, sequences or
 * objects without prototype: copy it with `copyResult`. Throws an ExpressionFault.
 *
 * The time limit is checked between operations. Memory is not limited at all and some built-in functions work in one
 * go, so anything a tenant wrote belongs in a process that can be killed.
 */
export async function evaluateJsonata(
  source: string,
  bindings: Readonly<Record<string, unknown>>,
  context: EvaluationContext,
): Promise<unknown> {
  const expression = compiled(source);
  const functions = await clockFunctions(context);
  try {
    return await expression.evaluate({}, { ...bindings, ...functions });
  } catch (error) {
    throw toExpressionFault(error);
  }
}

function compiled(source: string): jsonata.Expression {
  if (source.length > EXPRESSION_MAX_LENGTH) {
    throw new ExpressionFault('EXPRESSION_TOO_LONG', `An expression has at most ${EXPRESSION_MAX_LENGTH} characters.`);
  }
  const result = compileRecent(source);
  if (!result.ok) {
    throw result.fault;
  }
  return result.expression;
}

function compile(source: string): Compiled {
  if (countDefaultNesting(source) > MAX_DEFAULT_NESTING) {
    const message = `Default values (?? and ?:) are nested more than ${MAX_DEFAULT_NESTING} deep.`;
    return { ok: false, fault: new ExpressionFault('EXPRESSION_SYNTAX', message) };
  }
  try {
    const expression = jsonata(source, GUARDS);
    expression.registerFunction('pad', pad, '<s-ns?:s>');
    expression.registerFunction('eval', refuseEval, '<sx?:x>');
    return { ok: true, expression };
  } catch (error) {
    return { ok: false, fault: toSyntaxFault(error) };
  }
}

function pad(text: string | undefined, width: number, filler?: string): string | undefined {
  if (text === undefined) {
    return undefined;
  }
  if (Math.abs(width) > PAD_MAX_WIDTH) {
    throw new ExpressionFault('EXPRESSION_LIMIT', `$pad makes at most ${PAD_MAX_WIDTH} characters.`);
  }
  const missing = Math.abs(Math.trunc(width)) - Array.from(text).length;
  if (!(missing > 0)) {
    return text;
  }
  const fillers = Array.from(filler === undefined || filler === '' ? ' ' : filler);
  const padding = Array.from({ length: missing }, (_, index) => fillers[index % fillers.length]).join('');
  return width > 0 ? text + padding : padding + text;
}

function refuseEval(): never {
  throw new ExpressionFault('EXPRESSION_FAILED', '$eval is not available: an expression cannot run text as code.');
}

type FormatTime = (millis: number, picture?: string, timezone?: string) => unknown;

async function clockFunctions({ now, random }: EvaluationContext): Promise<Record<string, unknown>> {
  const next = random ?? createRandom(String(now));
  const formatTime = await loadFormatTime();
  return {
    now: (picture?: string, timezone?: string) => formatTime(now, picture, timezone),
    millis: () => now,
    random: () => next(),
    shuffle: (items: unknown) => shuffle(items, next),
  };
}

/** JSONata's `$fromMillis`, which its own `$now` uses too; it is not exported, but evaluating its name returns it. */
async function loadFormatTime(): Promise<FormatTime> {
  const found: { implementation: FormatTime } = await FROM_MILLIS.evaluate({});
  return found.implementation;
}

const FROM_MILLIS = jsonata('$fromMillis');

function shuffle(items: unknown, next: () => number): unknown {
  if (items === undefined) {
    return undefined;
  }
  const result: unknown[] = Array.isArray(items) ? Array.from(items) : [items];
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = Math.floor(next() * (index + 1));
    [result[index], result[other]] = [result[other], result[index]];
  }
  return result;
}
