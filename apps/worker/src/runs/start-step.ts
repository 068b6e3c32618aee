import { hideCredentials, isHidden, revealCredentials } from '@millrace/connectors/hidden-input';
import type { Effect } from '@millrace/workflow/effects';
import type { RunEvent } from '@millrace/workflow/events';
import { isRecord, type Json, setOwn } from '@millrace/workflow/json';
import { findStep, locate } from '@millrace/workflow/locate';
import type { PlannedNode } from '@millrace/workflow/plan';
import { nodeIdOf, scopeOf } from '@millrace/workflow/step-keys';
import { loadCalls, noteCall } from './calls.ts';
import { type Execution, noteStep } from './execution.ts';
import { noteSuccess, stepFailed } from './notes.ts';
import { observeAttempt, outcomeOf } from './observe.ts';
import { type Evaluated, evaluateTree, toStorable } from './step-values.ts';
import { loadValues } from './stored-values.ts';

type StartStep = Extract<Effect, { type: 'startStep' }>;

/**
 * Begins an attempt: a pure step runs, a wait or a loop begins, and an action is noted as running with its input; it
 * starts once that is recorded.
 */
export async function startStep(run: Execution, effect: StartStep): Promise<RunEvent | null> {
  const { stepKey, attempt } = effect;
  const node = locate(run.plan, stepKey)?.node;
  // An earlier effect of the same batch may have ended the run or cancelled the step.
  if (node === undefined || !isRunning(run, stepKey, attempt)) return null;
  const started = { stepKey, attempt, startedAt: performance.now() };
  const input = await inputOf(run, stepKey, node);
  if (!input.ok) {
    observeAttempt(run, started, 'failed');
    return stepFailed(run, stepKey, attempt, input.error);
  }
  if (node.kind.run !== undefined) {
    const event = await runPure(run, node, effect, input.value);
    observeAttempt(run, started, outcomeOf({ ok: event.type === 'step.succeeded' }));
    return event;
  }
  run.inputs.set(stepKey, input.value);
  // What is stored and shown holds no credential (R6); only this process knows the input as a whole.
  const shown = hideCredentials(node.kind.type, input.value);
  noteStep(run, { stepKey, status: 'running', attempt, input: shown });
  if (node.kind.wait !== undefined && !node.kind.actsFirst) return beginWait(run, node, effect, input.value);
  if (node.kind.loop !== undefined) return beginLoop(run, node, effect, input.value);
  run.changes.starts.push({ stepKey, attempt, input: input.value });
  return null;
}

function isRunning(run: Execution, stepKey: string, attempt: number): boolean {
  const state = findStep(run.state, stepKey);
  return state?.status === 'running' && state.attempt === attempt;
}

async function inputOf(run: Execution, stepKey: string, node: PlannedNode): Promise<Evaluated> {
  const stored = run.inputs.get(stepKey);
  if (stored !== undefined && !isHidden(stored)) return { ok: true, value: stored };
  const state = findStep(run.state, stepKey);
  const now = state?.status === 'running' ? state.since : undefined;
  const place = { scope: scopeOf(stepKey), path: 'config', seed: `${run.claim.runId}:${stepKey}`, now };
  const fresh = await evaluateTree(run, node.config, place);
  if (stored === undefined || !fresh.ok) return fresh;
  // Stored by an owner before this one: all but what was hidden is sent again as it was.
  return { ok: true, value: revealCredentials(stored, fresh.value) };
}

async function runPure(
  run: Execution,
  node: PlannedNode,
  { stepKey, attempt, collect }: StartStep,
  input: Json,
): Promise<RunEvent> {
  const collected = await collectOutputs(run, collect ?? []);
  const result = node.kind.run?.({ config: input, collected }) ?? { ok: true, output: null };
  if (!result.ok) return stepFailed(run, stepKey, attempt, result.error);
  // What is a part of the input, as a transform's value is, was found storable with it.
  const output = isPart(input, result.output) ? { ok: true as const, value: result.output } : toStorable(result.output);
  if (!output.ok) return stepFailed(run, stepKey, attempt, output.error);
  noteSuccess(run, stepKey, attempt, output.value, input);
  // Somebody waits for it: nothing slow may come before it is stored.
  if (node.kind.type === 'respond') run.changes.holdsResult = true;
  const { branch } = result;
  return { type: 'step.succeeded', stepKey, attempt, at: run.clock(), ...(branch === undefined ? {} : { branch }) };
}

function isPart(input: Json, value: Json): boolean {
  return isRecord(input) && Object.values(input).includes(value);
}

async function collectOutputs(run: Execution, stepKeys: readonly string[]): Promise<Record<string, Json>> {
  await loadValues(run, stepKeys);
  const collected: Record<string, Json> = {};
  for (const stepKey of stepKeys) setOwn(collected, nodeIdOf(stepKey), run.outputs.get(stepKey) ?? null);
  return collected;
}

async function beginWait(
  run: Execution,
  { kind }: PlannedNode,
  { stepKey, attempt }: StartStep,
  config: Json,
): Promise<RunEvent> {
  const at = run.clock();
  const result = kind.wait?.({ config, at }) ?? { ok: true, for: null };
  if (!result.ok) return stepFailed(run, stepKey, attempt, result.error);
  // Its address was known before: whoever has it may have been faster.
  const call = result.for === 'webhook' ? (await loadCalls(run, [stepKey])).get(stepKey) : undefined;
  if (call !== undefined) {
    noteCall(run, stepKey, attempt, call);
    return { type: 'step.succeeded', stepKey, attempt, at };
  }
  if (result.for !== null) return { type: 'step.waits', stepKey, attempt, for: result.for, dueAt: result.dueAt, at };
  noteSuccess(run, stepKey, attempt, null);
  return { type: 'step.succeeded', stepKey, attempt, at };
}

function beginLoop(run: Execution, { kind }: PlannedNode, { stepKey, attempt }: StartStep, config: Json): RunEvent {
  const result = kind.loop?.(config) ?? { ok: true, total: 0 };
  if (!result.ok) return stepFailed(run, stepKey, attempt, result.error);
  return { type: 'loop.started', stepKey, attempt, total: result.total, at: run.clock() };
}
