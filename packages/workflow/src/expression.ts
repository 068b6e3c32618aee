import { copyResult, RESULT_MAX_SIZE } from './expression-value.ts';
import type { Json } from './json.ts';
import { evaluateJsonata } from './jsonata.ts';
import { toExpressionFault } from './jsonata-errors.ts';
import { evaluatePlain } from './plain-path.ts';
import { createRandom } from './random.ts';
import { type ExpressionError, fillTree, listExpressions } from './template-tree.ts';

/**
 * Bytes of JSON that may be bound for those expressions of a request that are not plain. Whoever sends it to another
 * process checks that and fails with EXPRESSION_INPUT_TOO_LARGE; plain paths work at any size.
 */
export const EXPRESSION_INPUT_MAX_BYTES = 1_000_000;

/**
 * What expressions can read of a step. No `output` key means no value, as for a skipped step. `resumeUrl` is there for the
 * `resumes` of a tree.
 */
export type StepBinding = {
  readonly status: string;
  readonly output?: Json;
  readonly error?: Json;
  readonly resumeUrl?: string;
};

/** The names of expressions without their `$`. Only the steps a tree refers to need to be present. */
export type ExpressionBindings = {
  readonly trigger: { readonly type: string; readonly input: Json; readonly at: string };
  readonly run: {
    readonly id: string;
    readonly workflowId: string;
    readonly version: number;
    readonly startedAt: string;
  };
  readonly constants: Record<string, Json>;
  /** The organization's variables; only needed by a tree that reads them. */
  readonly vars?: Record<string, Json>;
  readonly steps: Record<string, StepBinding>;
  /** What a place adds: the item and index of each loop around it by their names, `error` after a failure. */
  readonly locals?: Record<string, Json>;
};

export type ExpressionRequest = {
  /** A config or output tree of a validated definition. */
  readonly templates: unknown;
  /** Path of the tree in the document, the beginning of the paths in errors: `config`, `output`. */
  readonly path: string;
  readonly bindings: ExpressionBindings;
  /** Epoch milliseconds for `$now` and `$millis`. */
  readonly now: number;
  /** Decides `$random` and `$shuffle`, so that a repeated evaluation repeats its result: `<runId>:<stepKey>`. */
  readonly seed: string;
};

export type ExpressionResult =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly error: ExpressionError };

/** True when every expression of the tree is plain, so that `evaluateTemplate` can evaluate it in this process. */
export function isPlain(tree: unknown): boolean {
  return listExpressions(tree, '').every((expression) => expression.plain !== null);
}

/**
 * Evaluates a tree in this process, given the values of those of its expressions that are not plain (`evaluateOthers`).
 * Throws only when these are missing, which is a mistake of the caller.
 */
export function evaluateTemplate(
  request: Pick<ExpressionRequest, 'templates' | 'path' | 'bindings'>,
  others: readonly Json[] = [],
): ExpressionResult {
  const { templates, path, bindings } = request;
  const expressions = listExpressions(templates, path);
  if (expressions.filter((expression) => expression.plain === null).length !== others.length) {
    throw new Error('evaluateTemplate was given an expression that needs JSONata');
  }
  const values: unknown[] = [];
  const names = namesOf(bindings);
  const given = others.values();
  for (const { plain, path: at, offset } of expressions) {
    try {
      values.push(plain === null ? given.next().value : evaluatePlain(plain, names));
    } catch (error) {
      return failure(error, at, offset);
    }
  }
  return fill(templates, path, values);
}

/**
 * Evaluates those expressions of a tree that are not plain, one after the other, and answers the list of their values;
 * never rejects. The request and the result are plain data that can cross a process boundary. They run whatever a tenant
 * wrote: call this only in a process that can be killed (see `evaluateJsonata`).
 */
export async function evaluateOthers(request: ExpressionRequest): Promise<ExpressionResult> {
  const { templates, path, bindings, now } = request;
  const context = { now, random: createRandom(`${request.seed}@${now}`) };
  const values: Json[] = [];
  const budget = { left: RESULT_MAX_SIZE };
  const names = namesOf(bindings);
  for (const { plain, source, path: at, offset } of listExpressions(templates, path)) {
    if (plain !== null) {
      continue;
    }
    try {
      values.push(copyResult((await evaluateJsonata(source, names, context)) ?? null, budget));
    } catch (error) {
      return failure(error, at, offset);
    }
  }
  return { ok: true, value: values };
}

/** Evaluates a whole tree where `evaluateOthers` may run. */
export async function evaluateExpressions(request: ExpressionRequest): Promise<ExpressionResult> {
  const others = await evaluateOthers(request);
  return others.ok ? evaluateTemplate(request, others.value as Json[]) : others;
}

function namesOf({ locals, ...names }: ExpressionBindings): Record<string, unknown> {
  return { ...names, ...locals };
}

function fill(templates: unknown, path: string, values: readonly unknown[]): ExpressionResult {
  let at = path;
  let offset = 0;
  try {
    const value = fillTree(templates, path, values, (nextPath, nextOffset) => {
      at = nextPath;
      offset = nextOffset;
    });
    return { ok: true, value };
  } catch (error) {
    return failure(error, at, offset);
  }
}

function failure(error: unknown, path: string, offset: number): ExpressionResult {
  const fault = toExpressionFault(error);
  const position = offset + (fault.position ?? 0);
  return { ok: false, error: { code: fault.code, path, position, message: fault.message } };
}
