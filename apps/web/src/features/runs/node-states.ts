import type { Step } from '@millrace/shared/contracts/runs';
import { effectiveEdges, type Outline, type OutlineEdge, type OutlineNode } from '@millrace/workflow/outline';
import { nodeIdOf, scopeOf } from '@millrace/workflow/step-keys';
import { edgeKey } from '../editor/session.ts';
import { lookOfStatus } from './run-status.ts';

/** How a node of the canvas stands, over all iterations when it belongs to a loop. */
export interface NodeState {
  /** `unreached`: the run has ended without it. */
  readonly status: Step['status'] | 'unreached';
  readonly attempt: number;
  /** Iterations: of a loop, or of the loop that the node is in. `total` null: nobody knows it yet, or before the end. */
  readonly count: { readonly done: number; readonly total: number | null } | null;
  /** The step to look at first; null while there is none. */
  readonly stepKey: string | null;
}

export type Passage = 'open' | 'taken' | 'untaken';

/** What is known of a step, as far as the canvas asks for it. */
export type ShownStep = Pick<Step, 'stepId' | 'status' | 'attempt' | 'input' | 'output'>;

export interface RunOfGraph {
  /** The graph that is shown. */
  readonly graph: Outline;
  /** The loop whose body it is. */
  readonly loopId: string | null;
  /** All steps of the run. */
  readonly steps: readonly ShownStep[];
  /** The run has ended. */
  readonly isOver: boolean;
}

/** What says most about a node comes first. */
const RANKS: readonly Step['status'][] = [
  'running',
  'waiting',
  'failed',
  'cancelled',
  'succeeded',
  'skipped',
  'pending',
];
const ENDED = new Set<string>(['succeeded', 'failed', 'skipped', 'cancelled']);

/** The state of each node of a graph, by its id. */
export function statesOfNodes({ graph, loopId, steps, isOver }: RunOfGraph): ReadonlyMap<string, NodeState> {
  const byNode = Map.groupBy(steps, ({ stepId }) => nodeIdOf(stepId));
  const around = loopId === null ? null : (byNode.get(loopId) ?? []);
  const isLoopOpen = around?.some(({ status }) => !ENDED.has(status)) ?? false;
  const total = around && totalOf(around);
  const states = new Map<string, NodeState>();
  for (const node of graph.nodes) {
    if (node.id === null) continue;
    const own = byNode.get(node.id) ?? [];
    const first = mostTelling(own);
    const done = own.filter(({ status }) => ENDED.has(status)).length;
    const inLoop = around && own.length > 0 ? { done, total } : null;
    const isBetween = isLoopOpen && done > 0 && (total ?? Number.POSITIVE_INFINITY) > done && isDone(first);
    states.set(node.id, {
      status: isBetween ? 'running' : (first?.status ?? (isOver ? 'unreached' : 'pending')),
      attempt: first?.attempt ?? 0,
      count: node.body ? iterationsOf(node.body, own, byNode) : inLoop,
      stepKey: first?.stepId ?? null,
    });
  }
  return states;
}

function mostTelling(steps: readonly ShownStep[]): ShownStep | undefined {
  let best: ShownStep | undefined;
  for (const step of steps) if (!best || RANKS.indexOf(step.status) <= RANKS.indexOf(best.status)) best = step;
  return best;
}

/** Between two iterations nothing of the node is under way, and it has not come to its end. */
const isDone = (step: ShownStep | undefined) => step?.status === 'succeeded' || step?.status === 'skipped';

function iterationsOf(body: Outline, loops: readonly ShownStep[], byNode: ReadonlyMap<string, ShownStep[]>) {
  if (loops.length === 0) return null;
  const total = totalOf(loops);
  if (total !== null && loops.every(({ status }) => status === 'succeeded')) return { done: total, total };
  const ended = new Map<string, number>();
  for (const { id } of body.nodes)
    for (const { stepId, status } of byNode.get(id ?? '') ?? [])
      if (ENDED.has(status)) ended.set(scopeOf(stepId), (ended.get(scopeOf(stepId)) ?? 0) + 1);
  return { done: [...ended.values()].filter((count) => count === body.nodes.length).length, total };
}

/** How many iterations these steps of one loop have together; null unless each of them tells. */
function totalOf(loops: readonly ShownStep[]): number | null {
  let total = 0;
  for (const { input, output } of loops) {
    const items = listIn(input) ?? (Array.isArray(output) ? output : null);
    if (!items) return null;
    total += items.length;
  }
  return loops.length === 0 ? null : total;
}

function listIn(input: unknown): readonly unknown[] | null {
  const { items } = (input ?? {}) as { items?: unknown };
  return Array.isArray(items) ? items : null;
}

/** Which edges of a graph the run has gone along, by their keys: in any iteration when it is the body of a loop. */
export function passagesOf({ graph, steps, isOver }: RunOfGraph): ReadonlyMap<string, Passage> {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const own = steps.filter(({ stepId }) => nodes.has(nodeIdOf(stepId)));
  const walks = [...Map.groupBy(own, ({ stepId }) => scopeOf(stepId)).values()].map(
    (walk) => new Map(walk.map((step) => [nodeIdOf(step.stepId), step])),
  );
  return new Map(
    effectiveEdges(graph).map((edge) => {
      const seen = walks.map((walk) => passage(edge, nodes.get(edge.from), walk));
      if (seen.includes('taken')) return [edgeKey(edge), 'taken'] as const;
      const isOpen = !isOver && (seen.length === 0 || seen.includes('open'));
      return [edgeKey(edge), isOpen ? 'open' : 'untaken'] as const;
    }),
  );
}

/** By the same rules as the engine, as far as the steps tell; else by whether the other end has begun. */
function passage(
  { from, to, branch }: OutlineEdge,
  node: OutlineNode | undefined,
  walk: ReadonlyMap<string, ShownStep>,
): Passage {
  const source = walk.get(from);
  if (!source || !ENDED.has(source.status)) return 'open';
  if (source.status === 'failed') {
    const taken = { branch: 'error', continue: null }[String(node?.onError)];
    return branch === taken ? 'taken' : 'untaken';
  }
  if (source.status !== 'succeeded' || branch === 'error') return 'untaken';
  if (branch === null) return 'taken';
  const chosen = branchTold(node?.type, source.output);
  if (chosen !== null) return branch === chosen ? 'taken' : 'untaken';
  const target = walk.get(to)?.status ?? 'pending';
  if (target === 'pending') return 'open';
  return target === 'skipped' ? 'untaken' : 'taken';
}

/** The output of a choice tells its branch, once it was read. */
function branchTold(type: string | null | undefined, output: unknown): string | null {
  if (type === 'condition' && typeof output === 'boolean') return String(output);
  if (type === 'switch' && typeof output === 'string') return output;
  const { decision } = (output ?? {}) as { decision?: unknown };
  return type === 'approval' && typeof decision === 'string' ? decision : null;
}

/** "Running, attempt 2, 12 of 20 done" */
export function sayState({ status, attempt, count }: NodeState): string {
  const word = status === 'unreached' ? 'Not reached' : lookOfStatus(status).word;
  return [word, attempt > 1 ? `attempt ${attempt}` : '', sayCount(count)].filter(Boolean).join(', ');
}

function sayCount(count: NodeState['count']): string {
  if (!count) return '';
  return count.total === null ? `${count.done} done` : `${count.done} of ${count.total} done`;
}
