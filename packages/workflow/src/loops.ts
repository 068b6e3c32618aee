import type { RunError, StepError } from './events.ts';
import { outputSource } from './output.ts';
import type { PlannedNode } from './plan.ts';
import { type FrameDraft, iterationAt, keyIn, loopOf, openIteration, type RunDraft, setLoop } from './run-draft.ts';
import { enterNodes, failStep, startFrame } from './settle.ts';
import { type Iteration, initialFrame } from './state.ts';

/**
 * Begins what can begin. A retried run begins with edges that are settled, and loops that go on with the iterations that had
 * begun: see retryState.
 */
export function beginFrame(draft: RunDraft, frame: FrameDraft): void {
  startFrame(draft, frame);
  for (const node of frame.graph.nodes.values()) {
    for (const index of Object.keys(loopOf(frame, node)?.frames ?? {})) {
      const iteration = iterationAt(draft, frame, node, Number(index));
      if (iteration !== null) {
        beginFrame(draft, iteration);
      }
    }
    continueLoop(draft, frame, node);
  }
  enterNodes(draft, frame, [...frame.graph.nodes.keys()]);
}

/** Begins as many iterations as may run at a time, or asks for the values of all when none is left. */
export function continueLoop(draft: RunDraft, frame: FrameDraft, node: PlannedNode): void {
  const loop = loopOf(frame, node);
  if (loop === null) {
    return;
  }
  if (loop.done >= loop.total) {
    draft.effects.push({ type: 'collectIterations', stepKey: keyIn(frame, node), total: loop.total });
    return;
  }
  const free = (node.loop?.concurrency ?? 1) - Object.keys(loop.frames).length;
  const count = Math.min(free, loop.total - loop.next);
  setLoop(draft, frame, node, { ...loop, next: loop.next + count });
  for (let index = loop.next; index < loop.next + count; index += 1) {
    beginIteration(draft, frame, node, index);
  }
}

/** All steps of an iteration have ended: its value comes next. */
export function finishSteps(draft: RunDraft, iteration: FrameDraft): void {
  if (phaseOf(iteration) === 'steps') {
    setPhase(draft, iteration, 'output');
    const { scope, graph } = iteration;
    draft.effects.push({ type: 'evaluateOutput', scope, source: outputSource(graph, iteration, scope) });
  }
}

/** The value of an iteration is known. A repeat then asks whether it was the last one, unless it cannot go on anyway. */
export function finishOutput(draft: RunDraft, iteration: FrameDraft): void {
  const { loop, scope } = iteration;
  if (loop === null || phaseOf(iteration) !== 'output') {
    return;
  }
  draft.effects.push({ type: 'finishIteration', scope, status: 'succeeded' });
  const total = loopOf(loop.frame, loop.node)?.total ?? 0;
  if (loop.node.loop?.until != null && loop.index + 1 < total) {
    setPhase(draft, iteration, 'until');
    draft.effects.push({ type: 'evaluateUntil', stepKey: keyIn(loop.frame, loop.node), index: loop.index });
    return;
  }
  dropIteration(draft, iteration);
  continueLoop(draft, loop.frame, loop.node);
}

/** Whether the condition of a repeat holds after this turn is known. */
export function finishUntil(draft: RunDraft, iteration: FrameDraft, holds: boolean): void {
  const { loop } = iteration;
  if (loop === null || phaseOf(iteration) !== 'until') {
    return;
  }
  dropIteration(draft, iteration);
  const state = loopOf(loop.frame, loop.node);
  if (holds && state !== null) {
    setLoop(draft, loop.frame, loop.node, { ...state, total: state.done });
  }
  continueLoop(draft, loop.frame, loop.node);
}

/** The condition of a repeat cannot be evaluated: the repeat fails, whatever it does about single turns. */
export function failUntil(draft: RunDraft, iteration: FrameDraft, error: StepError): void {
  if (iteration.loop !== null && phaseOf(iteration) === 'until') {
    failLoop(draft, iteration.loop, error);
  }
}

/** The value of an iteration cannot be made. */
export function failOutput(draft: RunDraft, iteration: FrameDraft, error: RunError): void {
  if (phaseOf(iteration) === 'output') {
    failIteration(draft, iteration, { stepId: iteration.scope, ...error });
  }
}

/** An iteration failed and nothing runs in it any more: `onItemError` decides. */
export function failIteration(draft: RunDraft, iteration: FrameDraft, error: RunError): void {
  const { loop, scope } = iteration;
  // Something that failed in the same moment may have ended the whole loop.
  if (loop === null || phaseOf(iteration) === null) {
    return;
  }
  draft.effects.push({ type: 'finishIteration', scope, status: 'failed', error });
  if (loop.node.loop?.onItemError === 'collect') {
    dropIteration(draft, iteration);
    continueLoop(draft, loop.frame, loop.node);
    return;
  }
  failLoop(draft, loop, { ...error, retryable: false });
}

function failLoop(draft: RunDraft, { frame, node }: NonNullable<FrameDraft['loop']>, error: StepError): void {
  const step = frame.steps[node.id];
  if (step?.status === 'running') {
    failStep(draft, frame, node, step.attempt, error);
  }
}

function beginIteration(draft: RunDraft, frame: FrameDraft, node: PlannedNode, index: number): void {
  const body = node.loop?.body;
  if (body === undefined) {
    return;
  }
  const iteration = openIteration(draft, { frame, node, index }, { ...initialFrame(body), phase: 'steps' });
  if (iteration !== null) {
    startFrame(draft, iteration);
  }
}

/** Forgets an iteration but for the count. */
function dropIteration(draft: RunDraft, iteration: FrameDraft): void {
  iteration.isClosed = true;
  const { loop } = iteration;
  const state = loop === null ? null : loopOf(loop.frame, loop.node);
  if (loop === null || state === null) {
    return;
  }
  const { [loop.index]: _ended, ...frames } = state.frames;
  setLoop(draft, loop.frame, loop.node, { ...state, done: state.done + 1, frames });
}

function phaseOf({ loop }: FrameDraft): Iteration['phase'] | null {
  return loop === null ? null : (loopOf(loop.frame, loop.node)?.frames[loop.index]?.phase ?? null);
}

function setPhase(draft: RunDraft, { loop, steps, edges }: FrameDraft, phase: Iteration['phase']): void {
  const state = loop === null ? null : loopOf(loop.frame, loop.node);
  if (loop !== null && state !== null) {
    const frames = { ...state.frames, [loop.index]: { steps, edges, phase } };
    setLoop(draft, loop.frame, loop.node, { ...state, frames });
  }
}
