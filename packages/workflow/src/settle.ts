import type { RunError, StepError } from './events.ts';
import type { PlannedEdge, PlannedNode } from './plan.ts';
import { isOpen, type RunDraft, stepOf } from './run-draft.ts';

/** Starts the first attempt of a step. */
export function startStep(draft: RunDraft, stepKey: string, collect: readonly string[] | null): void {
  draft.steps[stepKey] = { status: 'running', attempt: 1, collect };
  draft.effects.push({ type: 'startStep', stepKey, attempt: 1, collect });
}

/** Settles the outgoing edges of a step that ended, and everything that follows from it. */
export function settleOutgoing(draft: RunDraft, stepKey: string, isTaken: (edge: PlannedEdge) => boolean): void {
  const touched = settleEdges(draft, stepKey, isTaken);
  while (touched.length > 0 && draft.status === 'running') {
    const target = draft.plan.nodes.get(touched.shift() ?? '');
    if (target !== undefined) {
      touched.push(...enter(draft, target));
    }
  }
}

/** Records the last failure of a step and does what its `onError` says. */
export function failStep(draft: RunDraft, node: PlannedNode, attempt: number, error: StepError): void {
  settleOutgoing(draft, node.id, recordFailure(draft, node, attempt, error));
}

/** Ends a run because of an error: what runs is aborted, what never started is skipped. */
export function failRun(draft: RunDraft, error: RunError): void {
  for (const stepKey of draft.plan.nodes.keys()) {
    if (stepOf(draft, stepKey)?.status === 'pending') {
      skip(draft, stepKey);
    } else {
      cancelStep(draft, stepKey);
    }
  }
  draft.status = 'failed';
  draft.effects.push({ type: 'finishRun', status: 'failed', error });
}

/** Cancels a step that has not ended; its result, should one come, is ignored. */
export function cancelStep(draft: RunDraft, stepKey: string): void {
  const step = stepOf(draft, stepKey);
  if (step === undefined || !isOpen(step)) {
    return;
  }
  draft.steps[stepKey] = { status: 'cancelled', attempt: 'attempt' in step ? step.attempt : 0 };
  draft.effects.push({ type: step.status === 'running' ? 'abortStep' : 'cancelStep', stepKey });
}

function skip(draft: RunDraft, stepKey: string): void {
  draft.steps[stepKey] = { status: 'skipped' };
  draft.effects.push({ type: 'skipStep', stepKey });
}

/** Settles the edges and answers the nodes they lead to. */
function settleEdges(draft: RunDraft, stepKey: string, isTaken: (edge: PlannedEdge) => boolean): string[] {
  const outgoing = draft.plan.nodes.get(stepKey)?.outgoing ?? [];
  return outgoing.flatMap((index) => {
    const edge = draft.plan.edges[index];
    if (edge === undefined || draft.edges[index] !== 'open') {
      return [];
    }
    draft.edges[index] = isTaken(edge) ? 'taken' : 'dead';
    return [edge.to];
  });
}

/** Decides about a node one of whose edges has just settled; answers the nodes to look at next. */
function enter(draft: RunDraft, node: PlannedNode): string[] {
  if (stepOf(draft, node.id)?.status !== 'pending') {
    return [];
  }
  const taken = node.incoming.filter((index) => draft.edges[index] === 'taken');
  const isSettled = node.incoming.every((index) => draft.edges[index] !== 'open');
  const { needed } = node.gate;
  if (needed !== 'all' && taken.length >= needed) {
    return startJoin(draft, node, taken);
  }
  if (!isSettled) {
    return [];
  }
  if (taken.length === 0) {
    skip(draft, node.id);
    return settleEdges(draft, node.id, () => false);
  }
  if (needed !== 'all') {
    const message = `${taken.length} of ${needed} needed paths arrived.`;
    const isTaken = recordFailure(draft, node, 0, { code: 'JOIN_UNSATISFIED', message, retryable: false });
    return settleEdges(draft, node.id, isTaken);
  }
  return startJoin(draft, node, taken);
}

function startJoin(draft: RunDraft, node: PlannedNode, taken: readonly number[]): string[] {
  const sources = taken.flatMap((index) => draft.plan.edges[index]?.from ?? []);
  startStep(draft, node.id, node.kind.gate === undefined ? null : [...new Set(sources)]);
  const superfluous = node.cancels.filter((stepKey) => isOpen(stepOf(draft, stepKey)));
  for (const stepKey of superfluous) {
    cancelStep(draft, stepKey);
  }
  return superfluous.flatMap((stepKey) => settleEdges(draft, stepKey, () => false));
}

/** Answers which edges go on from here: none when the failure ended the run. */
function recordFailure(
  draft: RunDraft,
  node: PlannedNode,
  attempt: number,
  error: StepError,
): (edge: PlannedEdge) => boolean {
  draft.steps[node.id] = { status: 'failed', attempt };
  draft.effects.push({ type: 'failStep', stepKey: node.id, error });
  if (node.onError === 'fail') {
    failRun(draft, { code: error.code, message: error.message, stepId: node.id });
    return () => false;
  }
  const branch = node.onError === 'branch' ? 'error' : null;
  return (edge) => edge.branch === branch;
}
