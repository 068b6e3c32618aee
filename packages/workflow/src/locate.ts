import type { Graph, Plan, PlannedNode } from './plan.ts';
import type { Frame, RunState, StepState } from './state.ts';
import { nodeIdOf, ON_FAILURE, parseScope, type ScopePart, scopeOf, stepKeyIn } from './step-keys.ts';

/** A loop around a step: the key of its step, its node, and the iteration the step belongs to. */
export type LocatedLoop = { readonly stepKey: string; readonly node: PlannedNode; readonly index: number };

/** Where a step stands in a document: its node, and the loops around it from the outside in. */
export type Located = {
  readonly node: PlannedNode;
  readonly graph: Graph;
  readonly loops: readonly LocatedLoop[];
  readonly isOnFailure: boolean;
};

type LocatedScope = Pick<Located, 'graph' | 'loops' | 'isOnFailure'>;

/** Finds a step by its key; null when the document has no such step. */
export function locate(plan: Plan, stepKey: string): Located | null {
  const scope = locateScope(plan, scopeOf(stepKey));
  const node = scope?.graph.nodes.get(nodeIdOf(stepKey));
  return scope === null || node === undefined ? null : { node, ...scope };
}

/** Finds the graph of a scope and the loops around it; null when the document has no such scope. */
export function locateScope(plan: Plan, scope: string): LocatedScope | null {
  const parts = parseScope(scope);
  const isOnFailure = parts?.isOnFailure ?? false;
  let graph = isOnFailure ? plan.onFailure : plan;
  let around = isOnFailure ? ON_FAILURE : '';
  if (parts === null || graph === null) {
    return null;
  }
  const loops: LocatedLoop[] = [];
  for (const { id, index } of parts.loops) {
    const node: PlannedNode | undefined = graph.nodes.get(id);
    if (node === undefined || node.loop === null) {
      return null;
    }
    const stepKey = stepKeyIn(around, id);
    loops.push({ stepKey, node, index });
    graph = node.loop.body;
    around = `${stepKey}.${index}`;
  }
  return { graph, loops, isOnFailure };
}

/**
 * The key of the step that an expression in `scope` means by `$steps.<id>`: of the same iteration, or of one around it,
 * or of the run. Ids are unique in a document, so there is only one. Null for an id that cannot be read from there.
 */
export function stepKeyFor(plan: Plan, scope: string, id: string): string | null {
  let around = scope;
  for (;;) {
    if (locateScope(plan, around)?.graph.nodes.has(id)) {
      return stepKeyIn(around, id);
    }
    if (around === '') {
      return null;
    }
    // Out of an iteration is two parts, out of `onFailure` one.
    around = around === ON_FAILURE ? '' : scopeOf(scopeOf(around));
  }
}

/** The state of a step; undefined when there is none, or none any more because its iteration has ended. */
export function findStep(state: RunState, stepKey: string): StepState | undefined {
  const parts = parseScope(scopeOf(stepKey));
  const root: Frame | undefined = parts?.isOnFailure ? state.onFailure : state;
  const frame = parts?.loops.reduce<Frame | undefined>(enter, root);
  return frame === undefined ? undefined : ownStep(frame, nodeIdOf(stepKey));
}

function enter(frame: Frame | undefined, { id, index }: ScopePart): Frame | undefined {
  const step = frame === undefined ? undefined : ownStep(frame, id);
  return step?.status === 'running' ? step.loop?.frames[index] : undefined;
}

/** The own property of that name, never an inherited one such as `constructor`. */
function ownStep({ steps }: Frame, id: string): StepState | undefined {
  return Object.hasOwn(steps, id) ? steps[id] : undefined;
}
