import { type Document, graphAt, type Place } from '@millrace/workflow/edit';
import { effectiveEdges, type Outline, type OutlineNode } from '@millrace/workflow/outline';
import type { Problem } from '@millrace/workflow/problem';
import { branchesOf, findKind } from '@millrace/workflow/steps/registry';
import type { Edge, Node } from '@xyflow/react';
import type { NodeState, Passage } from '../runs/node-states.ts';
import { countProblems, faultyEdges } from './locate-problem.ts';
import { kindOf } from './node-kinds.ts';
import { nameOf } from './places.ts';
import { firstSteps, type Positions } from './positions.ts';
import { edgeKey, TRIGGER } from './session.ts';

/** A branch of a step as a handle; null is the way on without a choice. */
export type Handle = string | null;

type StepData = {
  readonly type: string;
  readonly name: string;
  readonly config: unknown;
  readonly handles: readonly Handle[];
  /** Those that lead nowhere yet. */
  readonly loose: readonly Handle[];
  readonly problemCount: number;
  readonly isPinned: boolean;
  /** The number of steps in the body of a loop. */
  readonly bodySize: number | null;
  /** What a run made of it; null while nobody looks at one. */
  readonly state: NodeState | null;
};
export type CanvasNode = Node<StepData>;
export type CanvasEdge = Edge<{
  readonly isFaulty: boolean;
  readonly isImplied: boolean;
  /** Whether a run went along it; null while nobody looks at one. */
  readonly passage: Passage | null;
}>;

export interface CanvasInput {
  readonly document: Document;
  readonly place: Place;
  readonly problems: readonly Problem[];
  readonly positions: Positions;
  readonly pinned: ReadonlySet<string>;
}

/** What the canvas shows of one graph of the document. The run has its trigger before it, which leads to every first step. */
export function deriveCanvas({ document, place, problems, positions, pinned }: CanvasInput): {
  nodes: CanvasNode[];
  edges: CanvasEdge[];
} {
  const graph = graphAt(document, place);
  if (!graph) return { nodes: [], edges: [] };
  const counts = countProblems(document, place, problems);
  const faulty = faultyEdges(document, place, problems);
  const used = usedBranches(graph);
  const steps = graph.nodes.flatMap((node) => (node.id === null ? [] : [stepNode(node, node.id)]));
  function stepNode(node: OutlineNode, id: string): CanvasNode {
    const data = dataOf(node, used.get(id) ?? [], counts.get(id) ?? 0, pinned.has(id));
    return { id, type: nodeType(node.type), position: positions[id] ?? { x: 0, y: 0 }, data, ariaLabel: labelOf(data) };
  }
  const ids = new Set(steps.map(({ id }) => id));
  const edges = effectiveEdges(graph).filter(({ from, to }) => ids.has(from) && ids.has(to));
  const written = [...new Map(edges.map((edge) => [edgeKey(edge), edge])).values()].map((edge) => {
    const key = edgeKey(edge);
    return canvasEdge(key, edge.from, edge.to, edge.branch, {
      isFaulty: faulty.has(key),
      isImplied: false,
      passage: null,
    });
  });
  if (place.in !== 'run') return { nodes: steps, edges: written };
  const implied = firstSteps(graph).map((id) =>
    canvasEdge(edgeKey({ from: TRIGGER, to: id }), TRIGGER, id, null, {
      isFaulty: false,
      isImplied: true,
      passage: null,
    }),
  );
  return {
    nodes: [triggerNode(document, positions, counts.get(TRIGGER) ?? 0), ...steps],
    edges: [...implied, ...written],
  };
}

/**
 * The handles of a step: its branches, or one way on; `error` when it has that branch. A branch that an edge names and
 * the step has not is a handle as well, or the edge could not be seen.
 */
export function handlesOf({ id, type, config, onError }: OutlineNode, graph: Outline): Handle[] {
  return handlesWith({ type, config, onError }, usedBranches(graph).get(id ?? '') ?? []);
}

/** The branches by which edges leave each step. */
function usedBranches(graph: Outline): Map<string, Handle[]> {
  const used = new Map<string, Handle[]>();
  for (const { from, branch } of effectiveEdges(graph)) used.set(from, [...(used.get(from) ?? []), branch]);
  return used;
}

function handlesWith({ type, config, onError }: Pick<OutlineNode, 'type' | 'config' | 'onError'>, used: Handle[]) {
  const kind = findKind(type ?? '');
  const branches: Handle[] = kind ? [...branchesOf(kind, config)] : [];
  const isChoice = branches.some((branch) => branch !== 'timeout');
  const own: Handle[] = isChoice ? branches : [null, ...branches];
  return [...new Set([...own, ...used, ...(onError === 'branch' ? ['error'] : [])])];
}

/** The id of a handle in the canvas, which has no name for none. */
export const handleId = (branch: Handle): string => branch ?? 'next';
export const branchOfHandle = (id: string | null | undefined): string | undefined =>
  !id || id === 'next' ? undefined : id;

function dataOf(node: OutlineNode, used: Handle[], problemCount: number, isPinned: boolean): StepData {
  const handles = handlesWith(node, used);
  return {
    type: node.type ?? '',
    name: nameOf(node) ?? '',
    config: node.config,
    handles,
    loose: handles.filter((handle) => !used.includes(handle)),
    problemCount,
    isPinned,
    bodySize: node.body?.nodes.length ?? null,
    state: null,
  };
}

function triggerNode(document: Document, positions: Positions, problemCount: number): CanvasNode {
  const trigger = (document.trigger ?? {}) as { type?: unknown; config?: unknown };
  const type = typeof trigger.type === 'string' ? trigger.type : '';
  const data: StepData = {
    type,
    name: 'Trigger',
    config: trigger.config,
    handles: [null],
    loose: [],
    problemCount,
    isPinned: false,
    bodySize: null,
    state: null,
  };
  return {
    id: TRIGGER,
    type: 'trigger',
    position: positions[TRIGGER] ?? { x: 0, y: 0 },
    data,
    deletable: false,
    ariaLabel: labelOf(data),
  };
}

function canvasEdge(
  id: string,
  source: string,
  target: string,
  branch: string | null,
  data: NonNullable<CanvasEdge['data']>,
): CanvasEdge {
  const isFixed = data.isImplied ? { deletable: false, selectable: false, focusable: false } : {};
  const from = source === TRIGGER ? 'the trigger' : source;
  const ariaLabel = `From ${from} to ${target}${branch === null ? '' : `, branch ${branch}`}`;
  return { id, type: 'step', source, target, sourceHandle: handleId(branch), data, ariaLabel, ...isFixed };
}

function nodeType(type: string | null): string {
  return findKind(type ?? '') ? (type as string) : 'unknown';
}

function labelOf({ type, name, problemCount }: StepData): string {
  const problems = problemCount === 0 ? '' : `, ${problemCount} ${problemCount === 1 ? 'problem' : 'problems'}`;
  return `${kindOf(type).label}: ${name}${problems}`;
}
