import { MAX_OUTPUT_BYTES } from '@millrace/connectors/json-output';
import type { Effect } from '@millrace/workflow/effects';
import type { RunError, RunEvent } from '@millrace/workflow/events';
import { type Json, roomLeft } from '@millrace/workflow/json';
import { findStep, locate } from '@millrace/workflow/locate';
import { combineOutputs } from '@millrace/workflow/output';
import { hasEnded } from '@millrace/workflow/state';
import { iterationScope } from '@millrace/workflow/step-keys';
import { isTruthy } from '@millrace/workflow/steps/truth';
import type { Execution } from './execution.ts';
import { forgetIteration, noteSuccess, stepFailed } from './notes.ts';
import { type Evaluated, evaluateTree, toStorable } from './step-values.ts';
import { loadIterations, loadValues } from './stored-values.ts';

type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** Evaluates what the run answers, or what an iteration is worth, and keeps the value. */
export async function evaluateOutput(run: Execution, effect: EffectOf<'evaluateOutput'>): Promise<RunEvent | null> {
  const { scope, source } = effect;
  // Cancelled by now; or the time of the run was over, and it fails: one that is failing answers nothing.
  if (scope === '' ? run.state.status !== 'output' : hasEnded(run.state)) return null;
  const place = { scope, path: 'output', seed: `${run.claim.runId}:${scope === '' ? 'output' : `${scope}.output`}` };
  const result =
    source.type === 'tree' ? await evaluateTree(run, source.tree, place) : await combine(run, source.stepKeys);
  const at = run.clock();
  if (!result.ok) {
    const error: RunError = { code: result.error.code, message: result.error.message };
    return { type: 'output.failed', scope, error, at };
  }
  if (scope === '') run.changes.output = result.value;
  else run.outputs.set(scope, result.value);
  return { type: 'output.evaluated', scope, at };
}

/** Whether a turn of a repeat was the last one. */
export async function evaluateUntil(run: Execution, effect: EffectOf<'evaluateUntil'>): Promise<RunEvent | null> {
  const { stepKey, index } = effect;
  if (hasEnded(run.state)) return null; // cancelled by now
  const until = locate(run.plan, stepKey)?.node.loop?.until ?? null;
  const scope = iterationScope(stepKey, index);
  const place = { scope, path: 'config.until', seed: `${run.claim.runId}:${scope}.until` };
  const result: Evaluated = until === null ? { ok: true, value: true } : await evaluateTree(run, until, place);
  forgetIteration(run, scope);
  const at = run.clock();
  if (!result.ok) return { type: 'until.failed', stepKey, index, error: result.error, at };
  return { type: 'until.evaluated', stepKey, index, holds: isTruthy(result.value), at };
}

/** The output of a loop: the values of its iterations in the order of the items. */
export async function collectIterations(
  run: Execution,
  { stepKey, total }: EffectOf<'collectIterations'>,
): Promise<RunEvent | null> {
  const state = findStep(run.state, stepKey);
  if (state?.status !== 'running') return null;
  const scopes = Array.from({ length: total }, (_, index) => iterationScope(stepKey, index));
  const values = await loadSome(run, scopes);
  const { attempt } = state;
  const output = toStorable(values);
  if (!output.ok) return stepFailed(run, stepKey, attempt, output.error);
  for (const scope of scopes) run.outputs.delete(scope);
  noteSuccess(run, stepKey, attempt, output.value);
  return { type: 'step.succeeded', stepKey, attempt, at: run.clock() };
}

/** So many large values may be in memory at once. */
const PORTION = 20;

/** The values of iterations, in their order; not more of them than tell that they are too large together. */
async function loadSome(run: Execution, scopes: readonly string[]): Promise<Json[]> {
  const values: Json[] = [];
  let left = MAX_OUTPUT_BYTES;
  for (let from = 0; from < scopes.length && left >= 0; from += PORTION) {
    const scopesOfPortion = scopes.slice(from, from + PORTION);
    await loadIterations(run, scopesOfPortion);
    const portion = scopesOfPortion.map((scope) => run.outputs.get(scope) ?? null);
    left = roomLeft(portion, left);
    values.push(...portion);
  }
  return values;
}

async function combine(run: Execution, stepKeys: readonly string[]): Promise<Evaluated> {
  await loadValues(run, stepKeys);
  return toStorable(combineOutputs(stepKeys, (stepKey) => run.outputs.get(stepKey) ?? null));
}
