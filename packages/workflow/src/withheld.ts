import type { Plan } from './plan.ts';
import { closeDraft, findTarget, openDraft, setStep } from './run-draft.ts';
import { listSteps } from './run-status.ts';
import type { RunState } from './state.ts';

/**
 * Notes that these attempts, recorded as running, were never begun: whoever gives a run up knows it, and whoever takes it
 * over could not tell them from attempts that had their effect.
 */
export function withholdSteps(plan: Plan, state: RunState, stepKeys: readonly string[]): RunState {
  return markSteps(plan, state, stepKeys, true);
}

/** The state of whoever begins them now: from its record on they may have had their effect. */
export function releaseSteps(plan: Plan, state: RunState): RunState {
  const withheld = listSteps(state).filter(({ step }) => step.status === 'running' && step.isWithheld);
  return markSteps(
    plan,
    state,
    withheld.map(({ stepKey }) => stepKey),
    false,
  );
}

function markSteps(plan: Plan, state: RunState, stepKeys: readonly string[], isWithheld: boolean): RunState {
  // No step starts here, so no time is asked for.
  const draft = openDraft(plan, state, 0);
  for (const stepKey of stepKeys) {
    const target = findTarget(draft, stepKey);
    if (target?.step.status !== 'running') continue;
    const { isWithheld: _, ...step } = target.step;
    setStep(draft, target.frame, target.node.id, isWithheld ? { ...step, isWithheld } : step);
  }
  return closeDraft(draft)[0];
}
