import { loadSteps, type StoredStep } from '@millrace/db/runs';
import type { Json } from '@millrace/workflow/json';
import { findStep } from '@millrace/workflow/locate';
import { listSteps } from '@millrace/workflow/run-status';
import type { Execution } from './execution.ts';
import { persist } from './persist.ts';

/** Outputs and errors of these steps are in memory afterwards, as far as they have any. */
export async function loadValues(run: Execution, stepKeys: readonly string[]): Promise<void> {
  const missing = stepKeys.filter((stepKey) => {
    const status = findStep(run.state, stepKey)?.status;
    if (status === 'succeeded') return !run.outputs.has(stepKey);
    return (status === 'failed' || status === 'waiting') && !run.errors.has(stepKey);
  });
  if (missing.length === 0) return;
  for (const step of await loadStored(run, missing)) remember(run, step);
}

/** The values of these iterations are in memory afterwards. */
export async function loadIterations(run: Execution, scopes: readonly string[]): Promise<void> {
  const missing = scopes.filter((scope) => !run.outputs.has(scope));
  if (missing.length === 0) return;
  // What earlier records of this very claim hold is stored, what is not recorded yet is still in memory.
  for (const { stepKey, output } of await loadStored(run, missing)) run.outputs.set(stepKey, output as Json);
}

/** Inputs that earlier owners of this run evaluated for steps still to be run. */
export async function loadInputs(run: Execution): Promise<void> {
  if (run.claim.state === null) return;
  const open = listSteps(run.state).flatMap(({ stepKey, step: { status } }) =>
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
