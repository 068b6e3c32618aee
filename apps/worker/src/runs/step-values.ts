import { toJsonOutput } from '@millrace/connectors/json-output';
import { ActionError } from '@millrace/connectors/sdk';
import type { StepError } from '@millrace/workflow/events';
import { type ExpressionBindings, type ExpressionResult, evaluateTemplate } from '@millrace/workflow/expression';
import type { Json } from '@millrace/workflow/json';
import type { PlannedTree } from '@millrace/workflow/planned-tree';
import { bind } from './bindings.ts';
import { commit } from './commit.ts';
import type { Execution } from './execution.ts';
import { LeaseLostError } from './lease.ts';

/** Where a tree stands: the scope whose steps and items it sees, the beginning of paths in its errors, its randomness and time. */
export interface Place {
  scope: string;
  path: string;
  seed: string;
  /** The time of this moment when undefined. */
  now?: number | undefined;
}

/** The run was cancelled while one of its expressions was evaluated. */
export class EvaluationInterruptedError extends Error {
  override readonly name = 'EvaluationInterruptedError';
}

export type Evaluated = { ok: true; value: Json } | { ok: false; error: StepError };

/**
 * Evaluates a config or output tree with what this run knows. Plain paths are evaluated here; anything else in a
 * child process, which gets one message. A failure names path and position, never values, and is not worth another attempt
 * unless no child could be had. Throws an EvaluationInterruptedError when the run is cancelled meanwhile.
 */
export async function evaluateTree(run: Execution, tree: PlannedTree, place: Place): Promise<Evaluated> {
  if (tree.resumes.length > 0 && run.deps.resumeKey === undefined) {
    const message = 'This worker has no RESUME_TOKEN_KEY, so it can give out no resume URL.';
    return { ok: false, error: { code: 'RESUME_URL_UNAVAILABLE', message, retryable: false } };
  }
  const bindings = await bind(run, tree, place.scope);
  const result = tree.isPlain
    ? evaluateTemplate({ templates: tree.tree, path: place.path, bindings })
    : await evaluateOutside(run, tree, place, bindings);
  if (result === null) {
    const message = 'The expressions could not be evaluated just now.';
    return { ok: false, error: { code: 'EXPRESSION_UNAVAILABLE', message, retryable: true } };
  }
  if (result.ok) return toStorable(result.value);
  const { code, message, position } = result.error;
  const where = position === undefined ? result.error.path : `${result.error.path}, position ${position}`;
  return { ok: false, error: { code, message: `${message} (${where})`, retryable: false } };
}

/** The value as JSON that PostgreSQL can hold, or why it cannot be stored (OUTPUT_TOO_LARGE, OUTPUT_INVALID). */
export function toStorable(value: Json): Evaluated {
  try {
    return { ok: true, value: toJsonOutput(value) as Json };
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
    return { ok: false, error: { code: error.code, message: error.message, retryable: false } };
  }
}

/** Null when no child could be had: the pool is closing, or the machine starts no process. */
async function evaluateOutside(
  run: Execution,
  tree: PlannedTree,
  { path, seed, now = run.clock() }: Place,
  bindings: ExpressionBindings,
): Promise<ExpressionResult | null> {
  // Waiting for a child takes time in which this process may die: what an action did must be stored before.
  if (run.changes.holdsResult) await commit(run);
  const request = { templates: tree.tree, path, bindings, now, seed, outside: tree.outside };
  const evaluation = new AbortController();
  run.evaluation = evaluation;
  try {
    return await run.deps.expressions.evaluate(request, evaluation.signal);
  } catch {
    evaluation.signal.throwIfAborted();
    if (!run.deps.shutdown.stopping.aborted) return null;
    // The children were ended with this program. That is no fault of the run: the next owner evaluates again.
    run.lease.lose();
    throw new LeaseLostError('the program ends');
  } finally {
    run.evaluation = null;
  }
}
