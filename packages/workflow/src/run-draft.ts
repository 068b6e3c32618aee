import type { Effect } from './effects.ts';
import type { RunError } from './events.ts';
import type { Graph, Plan, PlannedNode } from './plan.ts';
import type { EdgeState, Frame, Iteration, LoopState, RunState, StepState } from './state.ts';
import { iterationScope, nodeIdOf, ON_FAILURE, parseScope, scopeOf, stepKeyIn } from './step-keys.ts';

/** A frame being changed. `loop` is where an iteration belongs. A closed frame has ended; nothing happens in it any more. */
export type FrameDraft = {
  readonly scope: string;
  readonly graph: Graph;
  readonly steps: Record<string, StepState>;
  readonly edges: EdgeState[];
  readonly loop: { readonly frame: FrameDraft; readonly node: PlannedNode; readonly index: number } | null;
  isClosed: boolean;
};

/** A state being changed by one transition. The state it was opened from is never touched. */
export type RunDraft = {
  readonly plan: Plan;
  readonly state: RunState;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly root: FrameDraft;
  onFailure: FrameDraft | null;
  status: RunState['status'];
  deadlineAt: number | undefined;
  failure: RunError | undefined;
  readonly effects: Effect[];
  /** Frames looked at so far, by scope. */
  readonly frames: Map<string, FrameDraft>;
  /** Frames that failed and are closed; what that means for whatever is around them is decided one after another. */
  readonly failures: { readonly frame: FrameDraft; readonly error: RunError }[];
  isChanged: boolean;
};

export type Target = { readonly frame: FrameDraft; readonly node: PlannedNode; readonly step: StepState };

export function openDraft(plan: Plan, state: RunState, at: number): RunDraft {
  const root = draftFrame(plan, state, '');
  const draft: RunDraft = {
    ...{ plan, state, at, root, onFailure: null, effects: [], failures: [], isChanged: false },
    ...{ status: state.status, deadlineAt: state.deadlineAt, failure: state.failure },
    frames: new Map([['', root]]),
  };
  if (plan.onFailure !== null && state.onFailure !== undefined) {
    openOnFailure(draft, plan.onFailure, state.onFailure);
  }
  return draft;
}

/** The new state and what to do; the very same state when nothing happened. */
export function closeDraft(draft: RunDraft): [RunState, Effect[]] {
  const { state, root, onFailure, status, deadlineAt, failure, effects } = draft;
  if (!draft.isChanged) {
    return [state, []];
  }
  const { steps, edges } = root;
  const next: RunState = {
    ...{ format: state.format, status, steps, edges },
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(failure === undefined ? {} : { failure }),
    ...(onFailure === null ? {} : { onFailure: { steps: onFailure.steps, edges: onFailure.edges } }),
  };
  return [next, effects];
}

export function openOnFailure(draft: RunDraft, graph: Graph, frame: Frame): FrameDraft {
  const opened = draftFrame(graph, frame, ON_FAILURE);
  draft.onFailure = opened;
  draft.frames.set(ON_FAILURE, opened);
  return opened;
}

/** The step of that key with its node and frame; null for a key that means nothing, or nothing any more. */
export function findTarget(draft: RunDraft, stepKey: string): Target | null {
  const frame = frameAt(draft, scopeOf(stepKey));
  const node = frame?.graph.nodes.get(nodeIdOf(stepKey));
  const step = node === undefined ? undefined : frame?.steps[node.id];
  return frame === null || node === undefined || step === undefined ? null : { frame, node, step };
}

/** The open frame of a scope, null when there is none. */
export function frameAt(draft: RunDraft, scope: string): FrameDraft | null {
  const parts = parseScope(scope);
  let frame = parts?.isOnFailure ? draft.onFailure : draft.root;
  for (const { id, index } of parts?.loops ?? []) {
    const node = frame?.graph.nodes.get(id);
    frame = frame === null || node === undefined ? null : iterationAt(draft, frame, node, index);
  }
  return parts === null ? null : frame;
}

/** An open iteration of a loop, null when it has not begun or has ended. */
export function iterationAt(draft: RunDraft, frame: FrameDraft, node: PlannedNode, index: number): FrameDraft | null {
  const iteration = loopOf(frame, node)?.frames[index];
  const scope = iterationScope(keyIn(frame, node), index);
  if (iteration === undefined) {
    return null;
  }
  return draft.frames.get(scope) ?? openIteration(draft, { frame, node, index }, iteration);
}

/** Puts a copy of an iteration in its place that may be changed. */
export function openIteration(
  draft: RunDraft,
  loop: NonNullable<FrameDraft['loop']>,
  iteration: Iteration,
): FrameDraft | null {
  const state = loopOf(loop.frame, loop.node);
  const body = loop.node.loop?.body;
  if (state === null || body === undefined) {
    return null;
  }
  const scope = iterationScope(keyIn(loop.frame, loop.node), loop.index);
  const opened: FrameDraft = { ...draftFrame(body, iteration, scope), loop };
  const { steps, edges } = opened;
  const frames = { ...state.frames, [loop.index]: { steps, edges, phase: iteration.phase } };
  replaceLoop(loop.frame, loop.node, { ...state, frames });
  draft.frames.set(scope, opened);
  return opened;
}

/** How far a loop is; null for a step that is no running loop, or has not counted its items yet. */
export function loopOf(frame: FrameDraft, node: PlannedNode): LoopState | null {
  const step = frame.steps[node.id];
  return step?.status === 'running' ? (step.loop ?? null) : null;
}

export function setLoop(draft: RunDraft, frame: FrameDraft, node: PlannedNode, loop: LoopState): void {
  replaceLoop(frame, node, loop);
  draft.isChanged = true;
}

export function setStep(draft: RunDraft, frame: FrameDraft, id: string, step: StepState): void {
  frame.steps[id] = step;
  draft.isChanged = true;
}

export function keyIn(frame: FrameDraft, node: PlannedNode): string {
  return stepKeyIn(frame.scope, node.id);
}

/** True while a step can still change. */
export function isOpen(step: StepState | undefined): boolean {
  return step?.status === 'pending' || step?.status === 'running' || step?.status === 'waiting';
}

function draftFrame(graph: Graph, { steps, edges }: Frame, scope: string): FrameDraft {
  return { scope, graph, steps: { ...steps }, edges: [...edges], loop: null, isClosed: false };
}

function replaceLoop(frame: FrameDraft, node: PlannedNode, loop: LoopState): void {
  const step = frame.steps[node.id];
  if (step?.status === 'running') {
    frame.steps[node.id] = { ...step, loop };
  }
}
