import { toJsonOutput } from '@millrace/connectors/json-output';
import { ActionError } from '@millrace/connectors/sdk';
import { loadSteps, type StoredStep } from '@millrace/db/runs';
import { loadVariables } from '@millrace/db/variables';
import type { StepError } from '@millrace/workflow/events';
import {
  type ExpressionBindings,
  type ExpressionResult,
  evaluateTemplate,
  type StepBinding,
} from '@millrace/workflow/expression';
import { type Json, setOwn } from '@millrace/workflow/json';
import type { PlannedTree } from '@millrace/workflow/plan';
import { commit } from './commit.ts';
import type { Execution } from './execution.ts';
import { LeaseLostError } from './lease.ts';
import { persist } from './persist.ts';

/** The run was cancelled while one of its expressions was evaluated. */
export class EvaluationInterruptedError extends Error {
  override readonly name = 'EvaluationInterruptedError';
}

export type Evaluated = { ok: true; value: Json } | { ok: false; error: StepError };

/**
 * Evaluates a config or output tree with what this run knows. Plain paths are evaluated here; anything else goes to a
 * child process, in one message. A failure names path and position, never values, and is not worth another attempt
 * unless no child could be had. Throws an EvaluationInterruptedError when the run is cancelled meanwhile.
 */
export async function evaluateTree(run: Execution, tree: PlannedTree, path: string, seed: string): Promise<Evaluated> {
  const bindings = await bind(run, tree);
  const result = tree.isPlain
    ? evaluateTemplate({ templates: tree.tree, path, bindings })
    : await evaluateOutside(run, tree, path, bindings, seed);
  if (result === null) {
    const message = 'The expressions could not be evaluated just now.';
    return { ok: false, error: { code: 'EXPRESSION_UNAVAILABLE', message, retryable: true } };
  }
  if (result.ok) return toStorable(result.value);
  const { code, message, position } = result.error;
  const place = position === undefined ? result.error.path : `${result.error.path}, position ${position}`;
  return { ok: false, error: { code, message: `${message} (${place})`, retryable: false } };
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

/** Outputs and errors of these steps are in memory afterwards, as far as they have any. */
export async function loadValues(run: Execution, stepKeys: readonly string[]): Promise<void> {
  const missing = stepKeys.filter((stepKey) => {
    const status = run.state.steps[stepKey]?.status;
    if (status === 'succeeded') return !run.outputs.has(stepKey);
    return (status === 'failed' || status === 'waiting') && !run.errors.has(stepKey);
  });
  if (missing.length === 0) return;
  for (const step of await loadStored(run, missing)) remember(run, step);
}

/** Inputs that earlier owners of this run evaluated for steps still to be run. */
export async function loadInputs(run: Execution): Promise<void> {
  if (run.claim.state === null) return;
  const open = Object.entries(run.state.steps).flatMap(([stepKey, { status }]) =>
    status === 'running' || status === 'waiting' ? [stepKey] : [],
  );
  if (open.length === 0) return;
  for (const step of await loadStored(run, open)) {
    // Rows hold what this program stored: JSON.
    if (step.input !== null) run.inputs.set(step.stepKey, step.input as Json);
    remember(run, step);
  }
}

async function loadStored(run: Execution, stepKeys: readonly string[]): Promise<StoredStep[]> {
  const { orgId, runId } = run.claim;
  return await persist(run.lease, () => loadSteps(run.deps.db, orgId, runId, stepKeys));
}

function remember(run: Execution, step: StoredStep): void {
  if (step.status === 'succeeded') run.outputs.set(step.stepKey, step.output as Json);
  if (step.error !== null) run.errors.set(step.stepKey, step.error as { code: string; message: string });
}

async function bind(run: Execution, { reads, readsVars }: PlannedTree): Promise<ExpressionBindings> {
  await loadValues(run, reads);
  if (readsVars) run.vars ??= await readVariables(run);
  const { claim, constants } = run;
  const steps: Record<string, StepBinding> = {};
  for (const stepKey of reads) setOwn(steps, stepKey, bindStep(run, stepKey));
  return {
    trigger: { type: claim.triggerType, input: claim.input as Json, at: claim.createdAt.toISOString() },
    run: {
      id: claim.runId,
      workflowId: claim.workflowId,
      version: claim.version,
      startedAt: claim.startedAt.toISOString(),
    },
    constants,
    ...(readsVars && run.vars && { vars: run.vars }),
    steps,
  };
}

/** Read once a claim: the steps of one stretch of work see the same values. Rows hold JSON. */
async function readVariables(run: Execution): Promise<Record<string, Json>> {
  return (await persist(run.lease, () => loadVariables(run.deps.db, run.claim.orgId))) as Record<string, Json>;
}

function bindStep(run: Execution, stepKey: string): StepBinding {
  const status = run.state.steps[stepKey]?.status ?? 'pending';
  if (status === 'succeeded') return { status, output: run.outputs.get(stepKey) ?? null };
  if (status === 'failed') return { status, output: null, error: run.errors.get(stepKey) ?? null };
  return { status };
}

/** Null when no child could be had: the pool is closing, or the machine starts no process. */
async function evaluateOutside(
  run: Execution,
  tree: PlannedTree,
  path: string,
  bindings: ExpressionBindings,
  seed: string,
): Promise<ExpressionResult | null> {
  // Waiting for a child takes time in which this process may die: what an action did must be stored before.
  if (run.changes.holdsResult) await commit(run);
  const request = { templates: tree.tree, path, bindings, now: run.clock(), seed };
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
