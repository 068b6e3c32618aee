import { loadVariables } from '@millrace/db/variables';
import { resumeUrl } from '@millrace/shared/resume-urls';
import type { ExpressionBindings, StepBinding } from '@millrace/workflow/expression';
import { isRecord, type Json, setOwn } from '@millrace/workflow/json';
import { findStep, locateScope, stepKeyFor } from '@millrace/workflow/locate';
import type { PlannedNode } from '@millrace/workflow/plan';
import type { PlannedTree } from '@millrace/workflow/planned-tree';
import { iterationScope } from '@millrace/workflow/step-keys';
import type { Execution } from './execution.ts';
import { persist } from './persist.ts';
import { loadIterations, loadValues } from './stored-values.ts';

/** What the expressions of a tree in this scope can read, as far as the tree names it. */
export async function bind(
  run: Execution,
  { reads, resumes, readsVars, readsTrigger, readsConstants, locals: names }: PlannedTree,
  scope: string,
): Promise<ExpressionBindings> {
  const keys = new Map(reads.map((id) => [id, stepKeyFor(run.plan, scope, id) ?? id]));
  await loadValues(run, [...keys.values()]);
  if (readsVars) run.vars ??= await readVariables(run);
  const { claim } = run;
  const input = readsTrigger ? (claim.input as Json) : null;
  const steps: Record<string, StepBinding> = {};
  for (const [id, stepKey] of keys) {
    const url = resumes.includes(id) ? resumeUrlOf(run, stepKey) : undefined;
    setOwn(steps, id, { ...bindStep(run, stepKey), ...(url !== undefined && { resumeUrl: url }) });
  }
  const locals = await bindLocals(run, scope, names);
  return {
    trigger: { type: claim.triggerType, input, at: claim.createdAt.toISOString() },
    run: {
      id: claim.runId,
      workflowId: claim.workflowId,
      version: claim.version,
      startedAt: claim.startedAt.toISOString(),
    },
    constants: readsConstants ? run.constants : {},
    ...(readsVars && run.vars && { vars: run.vars }),
    steps,
    locals,
  };
}

/** Of the item and index of each loop around, and why the run failed, what the tree names. */
async function bindLocals(run: Execution, scope: string, names: readonly string[]): Promise<Record<string, Json>> {
  const locals: Record<string, Json> = {};
  if (names.length === 0) return locals;
  if (names.includes('error')) setOwn(locals, 'error', { ...run.state.failure });
  for (const { stepKey, node, index } of locateScope(run.plan, scope)?.loops ?? []) {
    const name = node.loop?.as ?? '';
    const item = names.includes(name) ? await itemOf(run, node, stepKey, index) : undefined;
    if (item !== undefined) setOwn(locals, name, item);
    if (names.includes(`${name}Index`)) setOwn(locals, `${name}Index`, index);
  }
  return locals;
}

/** The item of a foreach stands in its input; that of a repeat's turn is the value of the turn before, if there was one. */
async function itemOf(
  run: Execution,
  { loop }: PlannedNode,
  stepKey: string,
  index: number,
): Promise<Json | undefined> {
  if (loop?.until == null) {
    const config = run.inputs.get(stepKey);
    const items = isRecord(config) ? config.items : null;
    return (Array.isArray(items) ? items[index] : null) ?? null;
  }
  if (index === 0) return undefined;
  const before = iterationScope(stepKey, index - 1);
  await loadIterations(run, [before]);
  return run.outputs.get(before) ?? null;
}

/** Read once a claim: the steps of one stretch of work see the same values. Rows hold JSON. */
async function readVariables(run: Execution): Promise<Record<string, Json>> {
  return (await persist(run.lease, () => loadVariables(run.deps.db, run.claim.orgId))) as Record<string, Json>;
}

function bindStep(run: Execution, stepKey: string): StepBinding {
  const status = findStep(run.state, stepKey)?.status ?? 'pending';
  if (status === 'succeeded') return { status, output: run.outputs.get(stepKey) ?? null };
  if (status === 'failed') return { status, output: null, error: run.errors.get(stepKey) ?? null };
  return { status };
}

/** Undefined when this worker cannot make one: see `evaluateTree`. */
function resumeUrlOf({ deps, claim: { orgId, runId } }: Execution, stepKey: string): string | undefined {
  const { resumeKey, config } = deps;
  return resumeKey && resumeUrl(resumeKey, config.WEB_BASE_URL, { orgId, runId, stepKey });
}
