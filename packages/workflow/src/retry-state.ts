import type { Graph, Plan, PlannedNode } from './plan.ts';
import {
  type EdgeState,
  type Frame,
  initialFrame,
  initialState,
  type LoopReach,
  type RunState,
  type StepState,
} from './state.ts';
import { iterationScope, stepKeyIn } from './step-keys.ts';

/**
 * The state of a new run that goes on where this one, which failed or was cancelled, came to its end. What has finished
 * stays as it is, with its edges, also in iterations that had begun; all else is pending again. `run.started` begins whatever
 * can begin now, and renews the time the run may take. Skipped steps follow from the edges and are skipped again where they
 * still have to be.
 */
export function retryState(plan: Plan, ended: RunState): RunState {
  return { ...initialState(plan), ...retryFrame(plan, ended) };
}

/** `stepKey` with all below it belongs to the new run too. Of a loop that goes on only the first `next` iterations, without the `open` ones. */
export type KeptStep = { readonly stepKey: string; readonly loop: KeptLoop | null };
type KeptLoop = { readonly next: number; readonly open: readonly number[] };

/** What `retryState` keeps and the new run needs with all inputs and outputs; `stepKey`s inside of open iterations are named as well. */
export function keptSteps({ steps }: Pick<Frame, 'steps'>, scope = ''): KeptStep[] {
  return Object.entries(steps).flatMap(([id, step]): KeptStep[] => {
    const stepKey = stepKeyIn(scope, id);
    if (step.status === 'pending') {
      return [];
    }
    if (step.status !== 'running') {
      return [{ stepKey, loop: null }];
    }
    const frames = Object.entries(step.loop?.frames ?? {}).map(([index, frame]) => ({ index: Number(index), frame }));
    return [
      { stepKey, loop: { next: step.loop?.next ?? 0, open: frames.map(({ index }) => index) } },
      ...frames.flatMap(({ index, frame }) => keptSteps(frame, iterationScope(stepKey, index))),
    ];
  });
}

function retryFrame(graph: Graph, ended: Frame): Frame {
  const fresh = initialFrame(graph);
  const finished = finishedSteps(graph, ended);
  const edges = graph.edges.map(({ from }, index) => (finished.has(from) ? (ended.edges[index] ?? 'open') : 'open'));
  const dead = deadEdges(graph, edges);
  const begun = [...graph.nodes.values()].flatMap((node) => {
    const step = ended.steps[node.id];
    const loop = finished.has(node.id) || step === undefined ? null : goOn(node, step);
    // What its items are made of must be the same as before.
    const isSettled = node.incoming.every((index) => edges[index] !== 'open' || dead.has(index));
    return loop === null || !isSettled ? [] : [[node.id, loop] as const];
  });
  return { steps: { ...fresh.steps, ...Object.fromEntries([...finished, ...begun]) }, edges };
}

/** Edges that are open still and can only die: they come from nodes that will be skipped, as they were. */
function deadEdges(graph: Graph, edges: readonly EdgeState[]): Set<number> {
  const dead = new Set<number>();
  const isDead = (index: number) => edges[index] === 'dead' || dead.has(index);
  const skipped = ({ incoming, outgoing }: PlannedNode) =>
    incoming.length > 0 && incoming.every(isDead) && outgoing.some((index) => !isDead(index));
  const next = () => [...graph.nodes.values()].find(skipped);
  for (let node = next(); node !== undefined; node = next()) {
    for (const index of node.outgoing) dead.add(index);
  }
  return dead;
}

/** A loop that goes on with what had not ended; null when nothing had, so that it starts over. */
function goOn(node: PlannedNode, step: StepState): StepState | null {
  const reached = reachOf(step);
  const body = node.loop?.body;
  if (reached === null || body === undefined || !('attempt' in step)) {
    return null;
  }
  const { total, next } = reached;
  const frames = Object.fromEntries(
    Object.entries(reached.frames).map(
      ([index, frame]) => [index, { ...retryFrame(body, frame), phase: 'steps' }] as const,
    ),
  );
  const done = next - Object.keys(frames).length;
  if (done === 0 && Object.values(frames).every((frame) => keptSteps(frame).length === 0)) {
    return null;
  }
  return { status: 'running', attempt: step.attempt, collect: null, loop: { total, next, done, frames } };
}

function reachOf(step: StepState): LoopReach | null {
  if (step.status === 'failed' || step.status === 'cancelled') {
    return step.reached === undefined ? null : readReach(step.reached);
  }
  // The run was ended without the engine.
  return step.status === 'running' && step.loop !== undefined ? step.loop : null;
}

/** Earlier versions of this program stored how many of the first iterations had ended, and nothing of those behind. */
function readReach(stored: LoopReach | { total: number; count: number }): LoopReach {
  return 'count' in stored ? { total: stored.total, next: stored.count, frames: {} } : stored;
}

/**
 * Succeeded steps; failed ones that something finished has built upon, so that no two branches of one step are taken;
 * and those a join had no more need of.
 */
function finishedSteps(graph: Graph, { steps, edges }: Frame): Map<string, StepState> {
  const known = new Map<string, boolean>();
  const isFinished = (id: string): boolean => {
    const found = known.get(id) ?? decide(id);
    known.set(id, found);
    return found;
  };
  const decide = (id: string): boolean => {
    const outgoing = graph.nodes.get(id)?.outgoing ?? [];
    switch (steps[id]?.status) {
      case 'succeeded':
        return true;
      case 'failed':
        return outgoing.some((index) => edges[index] === 'taken' && isFinished(graph.edges[index]?.to ?? ''));
      case 'cancelled':
        // The end of a run leaves the edges of what it cancels open; a join that cancels the rest settles them.
        return outgoing.length > 0 && outgoing.every((index) => edges[index] !== 'open');
      default:
        return false;
    }
  };
  return new Map(Object.entries(steps).filter(([id]) => graph.nodes.has(id) && isFinished(id)));
}
