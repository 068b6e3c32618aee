import { hideCredentials, isHidden, revealCredentials } from '@millrace/connectors/hidden-input';
import type { Effect } from '@millrace/workflow/effects';
import type { RunError, RunEvent, StepError } from '@millrace/workflow/events';
import { type Json, setOwn } from '@millrace/workflow/json';
import { combineOutputs } from '@millrace/workflow/output';
import type { PlannedNode } from '@millrace/workflow/plan';
import { commit } from './commit.ts';
import { apply, type Execution, noteStep } from './execution.ts';
import { takeSignals } from './signals.ts';
import { type Evaluated, EvaluationInterruptedError, evaluateTree, loadValues, toStorable } from './step-values.ts';

type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>;

/**
 * Carries out effects and all that follows from them, until only actions are left to do; then records the lot.
 * Steps without outside effect run here and now, so a chain of them costs one record. What is said to the run meanwhile is
 * taken in between two effects.
 */
export async function act(run: Execution, effects: readonly Effect[]): Promise<void> {
  const queue = [...effects];
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    if (run.isSpokenTo) queue.push(...(await takeSignals(run)));
    const event = await performUnlessCancelled(run, effect);
    if (event !== null) queue.push(...apply(run, event));
  }
  await commit(run);
}

/** Null also when the run is cancelled during an evaluation: that is taken in next. */
async function performUnlessCancelled(run: Execution, effect: Effect): Promise<RunEvent | null> {
  try {
    return await perform(run, effect);
  } catch (error) {
    if (error instanceof EvaluationInterruptedError) return null;
    throw error;
  }
}

/** Notes or does what one effect asks for; answers the event that comes of it at once. */
async function perform(run: Execution, effect: Effect): Promise<RunEvent | null> {
  switch (effect.type) {
    case 'startStep':
      return await startStep(run, effect);
    case 'evaluateOutput':
      return await evaluateOutput(run, effect);
    case 'finishRun':
      run.changes.error = effect.status === 'failed' ? effect.error : undefined;
      run.changes.entries.push({ type: `run.${effect.status}`, error: run.changes.error });
      return null;
    default:
      noteEffect(run, effect);
      return null;
  }
}

function noteEffect(run: Execution, effect: Exclude<Effect, { type: 'startStep' | 'evaluateOutput' | 'finishRun' }>) {
  const { stepKey } = effect;
  const state = run.state.steps[stepKey];
  const attempt = state !== undefined && 'attempt' in state ? state.attempt : 0;
  switch (effect.type) {
    case 'retryStep':
      noteFailure(run, stepKey, effect.error);
      noteStep(run, { stepKey, status: 'waiting', attempt: effect.attempt - 1, error: run.errors.get(stepKey) });
      break;
    case 'failStep':
      noteFailure(run, stepKey, effect.error);
      noteStep(run, { stepKey, status: 'failed', attempt, error: run.errors.get(stepKey) });
      break;
    case 'skipStep':
      noteStep(run, { stepKey, status: 'skipped', attempt });
      break;
    case 'cancelStep':
    case 'abortStep':
      noteStep(run, { stepKey, status: 'cancelled', attempt });
      run.changes.aborts.push(stepKey);
      run.changes.starts = run.changes.starts.filter((planned) => planned.stepKey !== stepKey);
      break;
    default:
      effect satisfies never;
  }
}

function noteFailure(run: Execution, stepKey: string, { code, message }: StepError): void {
  run.errors.set(stepKey, { code, message });
}

/** Runs a pure step, or notes an action as running with its input: it starts once that is recorded. */
async function startStep(run: Execution, effect: EffectOf<'startStep'>): Promise<RunEvent | null> {
  const { stepKey, attempt } = effect;
  const node = run.plan.nodes.get(stepKey);
  // An earlier effect of the same batch may have ended the run or cancelled the step.
  if (node === undefined || !isRunning(run, stepKey, attempt)) return null;
  const input = await inputOf(run, node);
  if (!input.ok) return stepFailed(run, stepKey, attempt, input.error);
  if (node.kind.run !== undefined) return await runPure(run, node, effect, input.value);
  run.inputs.set(stepKey, input.value);
  // What is stored and shown holds no credential (R6); only this process knows the input as a whole.
  const shown = hideCredentials(node.kind.type, input.value);
  noteStep(run, { stepKey, status: 'running', attempt, input: shown });
  run.changes.starts.push({ stepKey, attempt, input: input.value });
  return null;
}

function isRunning(run: Execution, stepKey: string, attempt: number): boolean {
  const state = run.state.steps[stepKey];
  return state?.status === 'running' && state.attempt === attempt;
}

async function inputOf(run: Execution, node: PlannedNode): Promise<Evaluated> {
  const stored = run.inputs.get(node.id);
  if (stored !== undefined && !isHidden(stored)) return { ok: true, value: stored };
  const fresh = await evaluateTree(run, node.config, 'config', `${run.claim.runId}:${node.id}`);
  if (stored === undefined || !fresh.ok) return fresh;
  // Stored by an owner before this one: all but its credentials is sent again as it was.
  return { ok: true, value: revealCredentials(stored, fresh.value) };
}

async function runPure(
  run: Execution,
  node: PlannedNode,
  { stepKey, attempt, collect }: EffectOf<'startStep'>,
  input: Json,
): Promise<RunEvent> {
  const collected = await collectOutputs(run, collect ?? []);
  const result = node.kind.run?.({ config: input, collected }) ?? { output: null };
  const output = toStorable(result.output);
  if (!output.ok) return stepFailed(run, stepKey, attempt, output.error);
  noteSuccess(run, stepKey, attempt, output.value, input);
  const { branch } = result;
  return { type: 'step.succeeded', stepKey, attempt, at: run.clock(), ...(branch === undefined ? {} : { branch }) };
}

/** The output becomes readable for the steps behind and is recorded with the transition that the success causes. */
export function noteSuccess(run: Execution, stepKey: string, attempt: number, output: Json, input?: Json): void {
  run.outputs.set(stepKey, output);
  const given = input === undefined ? {} : { input };
  noteStep(run, { stepKey, status: 'succeeded', attempt, output, ...given });
}

export function stepFailed(run: Execution, stepKey: string, attempt: number, error: StepError): RunEvent {
  return { type: 'step.failed', stepKey, attempt, error, at: run.clock(), random: Math.random() };
}

async function collectOutputs(run: Execution, stepKeys: readonly string[]): Promise<Record<string, Json>> {
  await loadValues(run, stepKeys);
  const collected: Record<string, Json> = {};
  for (const stepKey of stepKeys) setOwn(collected, stepKey, run.outputs.get(stepKey) ?? null);
  return collected;
}

async function evaluateOutput(run: Execution, { source }: EffectOf<'evaluateOutput'>): Promise<RunEvent | null> {
  if (run.state.status !== 'output') return null; // cancelled by now
  const result =
    source.type === 'tree'
      ? await evaluateTree(run, source.tree, 'output', `${run.claim.runId}:output`)
      : await combine(run, source.stepKeys);
  const at = run.clock();
  if (!result.ok) {
    const error: RunError = { code: result.error.code, message: result.error.message };
    return { type: 'output.failed', error, at };
  }
  run.changes.output = result.value;
  return { type: 'output.evaluated', at };
}

async function combine(run: Execution, stepKeys: readonly string[]): Promise<Evaluated> {
  await loadValues(run, stepKeys);
  return toStorable(combineOutputs(stepKeys, (stepKey) => run.outputs.get(stepKey) ?? null));
}
