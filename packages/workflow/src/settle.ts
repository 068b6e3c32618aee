import type { RunError, StepError } from './events.ts';
import type { PlannedEdge, PlannedNode } from './plan.ts';
import { type FrameDraft, isOpen, iterationAt, keyIn, loopOf, type RunDraft, setStep } from './run-draft.ts';
import type { LoopReach } from './state.ts';
import { stepKeyIn } from './step-keys.ts';

/** Starts the steps of a frame that wait for no other, unless they have finished already: a retried run keeps those. */
export function startFrame(draft: RunDraft, frame: FrameDraft): void {
  for (const node of frame.graph.nodes.values()) {
    if (node.incoming.length === 0 && frame.steps[node.id]?.status === 'pending') {
      startStep(draft, frame, node, { attempt: 1, collect: null });
    }
  }
}

/** Starts an attempt of a step. `collect` holds ids of nodes; `since` comes from the attempt before. */
export function startStep(
  draft: RunDraft,
  frame: FrameDraft,
  node: PlannedNode,
  { attempt, collect, since = draft.at }: { attempt: number; collect: readonly string[] | null; since?: number },
): void {
  // A plain path asks for no time.
  const clock = node.config.isPlain ? {} : { since };
  setStep(draft, frame, node.id, { status: 'running', attempt, collect, ...clock });
  draft.effects.push({
    type: 'startStep',
    stepKey: keyIn(frame, node),
    attempt,
    collect: collect === null ? null : collect.map((id) => stepKeyIn(frame.scope, id)),
  });
}

/** Ends a step well: its edges without a branch and those of `branch` are taken. */
export function succeedStep(
  draft: RunDraft,
  frame: FrameDraft,
  node: PlannedNode,
  { attempt, branch }: { attempt: number; branch?: string | undefined },
): void {
  setStep(draft, frame, node.id, { status: 'succeeded', attempt, ...(branch === undefined ? {} : { branch }) });
  settleOutgoing(draft, frame, node, (edge) => edge.branch === null || edge.branch === branch);
}

/** Records the last failure of a step and does what its `onError` says. */
export function failStep(
  draft: RunDraft,
  frame: FrameDraft,
  node: PlannedNode,
  attempt: number,
  error: StepError,
): void {
  settleOutgoing(draft, frame, node, recordFailure(draft, frame, node, attempt, error));
}

/** Fails a frame as a whole: what runs in it is aborted, what never started is skipped. */
export function failFrame(draft: RunDraft, frame: FrameDraft, error: RunError): void {
  closeFrame(draft, frame, 'skipped');
  draft.failures.push({ frame, error });
}

/** Ends everything in a frame that has not ended. */
export function closeFrame(draft: RunDraft, frame: FrameDraft, pendingBecomes: 'skipped' | 'cancelled'): void {
  for (const node of frame.graph.nodes.values()) {
    if (pendingBecomes === 'skipped' && frame.steps[node.id]?.status === 'pending') {
      skip(draft, frame, node);
    } else {
      cancelStep(draft, frame, node);
    }
  }
  frame.isClosed = true;
}

/** Cancels a step that has not ended, with all its iterations; its result, should one come, is ignored. For good: no retry needs it. */
function cancelStep(draft: RunDraft, frame: FrameDraft, node: PlannedNode, isForGood = false): void {
  const step = frame.steps[node.id];
  if (step === undefined || !isOpen(step)) {
    return;
  }
  const end = isForGood ? {} : endOf(frame, node);
  cancelIterations(draft, frame, node);
  setStep(draft, frame, node.id, { status: 'cancelled', attempt: 'attempt' in step ? step.attempt : 0, ...end });
  const type = step.status === 'running' ? 'abortStep' : 'cancelStep';
  draft.effects.push({ type, stepKey: keyIn(frame, node) });
}

/** What is remembered of a loop that did not come to its end: a retried run goes on from there. */
function endOf(frame: FrameDraft, node: PlannedNode): { reached?: LoopReach } {
  const loop = loopOf(frame, node);
  if (loop === null) return {};
  const { total, next, frames } = loop;
  return { reached: { total, next, frames: withoutUnbegun(frames) } };
}

/** The state of a run that goes on must stay small: what never began is pending again in any case. */
function withoutUnbegun(frames: LoopReach['frames']): LoopReach['frames'] {
  const kept = Object.entries(frames).map(([index, frame]) => {
    const begun = Object.entries(frame.steps).filter(([, { status }]) => status !== 'pending' && status !== 'skipped');
    return [index, { ...frame, steps: Object.fromEntries(begun) }] as const;
  });
  return Object.fromEntries(kept);
}

function cancelIterations(draft: RunDraft, frame: FrameDraft, node: PlannedNode): void {
  for (const index of Object.keys(loopOf(frame, node)?.frames ?? {})) {
    const iteration = iterationAt(draft, frame, node, Number(index));
    if (iteration !== null) {
      closeFrame(draft, iteration, 'cancelled');
    }
  }
}

function skip(draft: RunDraft, frame: FrameDraft, node: PlannedNode): void {
  setStep(draft, frame, node.id, { status: 'skipped' });
  draft.effects.push({ type: 'skipStep', stepKey: keyIn(frame, node) });
}

/** Settles the outgoing edges of a step that ended, and everything that follows from it. */
function settleOutgoing(
  draft: RunDraft,
  frame: FrameDraft,
  node: PlannedNode,
  isTaken: (edge: PlannedEdge) => boolean,
): void {
  enterNodes(draft, frame, settleEdges(frame, node, isTaken));
}

/** Decides about these nodes, and all that follows from it. */
export function enterNodes(draft: RunDraft, frame: FrameDraft, ids: readonly string[]): void {
  const touched = [...ids];
  while (touched.length > 0 && !frame.isClosed) {
    const target = frame.graph.nodes.get(touched.shift() ?? '');
    if (target !== undefined) {
      touched.push(...enter(draft, frame, target));
    }
  }
}

/** Settles the edges and answers the nodes they lead to. */
function settleEdges(frame: FrameDraft, node: PlannedNode, isTaken: (edge: PlannedEdge) => boolean): string[] {
  return node.outgoing.flatMap((index) => {
    const edge = frame.graph.edges[index];
    if (edge === undefined || frame.edges[index] !== 'open') {
      return [];
    }
    frame.edges[index] = isTaken(edge) ? 'taken' : 'dead';
    return [edge.to];
  });
}

/** Decides about a node some of whose edges have settled; answers the nodes to look at next. */
function enter(draft: RunDraft, frame: FrameDraft, node: PlannedNode): string[] {
  if (frame.steps[node.id]?.status !== 'pending') {
    return [];
  }
  const taken = node.incoming.filter((index) => frame.edges[index] === 'taken');
  const isSettled = node.incoming.every((index) => frame.edges[index] !== 'open');
  const { needed } = node.gate;
  if (needed !== 'all' && taken.length >= needed) {
    return startJoin(draft, frame, node, taken);
  }
  if (!isSettled) {
    return [];
  }
  if (taken.length === 0) {
    skip(draft, frame, node);
    return settleEdges(frame, node, () => false);
  }
  if (needed !== 'all') {
    const message = `${taken.length} of ${needed} needed paths arrived.`;
    const error = { code: 'JOIN_UNSATISFIED', message, retryable: false };
    return settleEdges(frame, node, recordFailure(draft, frame, node, 0, error));
  }
  return startJoin(draft, frame, node, taken);
}

function startJoin(draft: RunDraft, frame: FrameDraft, node: PlannedNode, taken: readonly number[]): string[] {
  const sources = taken.flatMap((index) => frame.graph.edges[index]?.from ?? []);
  startStep(draft, frame, node, { attempt: 1, collect: node.kind.gate === undefined ? null : [...new Set(sources)] });
  const superfluous = node.cancels.flatMap((id) => frame.graph.nodes.get(id) ?? []);
  const open = superfluous.filter(({ id }) => isOpen(frame.steps[id]));
  for (const other of open) {
    cancelStep(draft, frame, other, true);
  }
  return open.flatMap((other) => settleEdges(frame, other, () => false));
}

/** Answers which edges go on from here: none when the failure ended the frame. */
function recordFailure(
  draft: RunDraft,
  frame: FrameDraft,
  node: PlannedNode,
  attempt: number,
  error: StepError,
): (edge: PlannedEdge) => boolean {
  const stepKey = keyIn(frame, node);
  const end = endOf(frame, node);
  cancelIterations(draft, frame, node);
  setStep(draft, frame, node.id, { status: 'failed', attempt, ...end });
  draft.effects.push({ type: 'failStep', stepKey, error });
  if (node.onError === 'fail') {
    failFrame(draft, frame, { code: error.code, message: error.message, stepId: error.stepId ?? stepKey });
    return () => false;
  }
  const branch = node.onError === 'branch' ? 'error' : null;
  return (edge) => edge.branch === branch;
}
