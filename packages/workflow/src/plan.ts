import type { DefinitionNode, WorkflowDefinition } from './definition.ts';
import { isPlain } from './expression.ts';
import { ancestorsIn, leadsOnlyTo } from './reachability.ts';
import { analyzeExpression } from './references.ts';
import { type RetryDefaults, type RetryPolicy, resolveRetry } from './retry.ts';
import type { Gate, StepKind } from './steps/kind.ts';
import { findKind } from './steps/registry.ts';
import { listExpressions } from './template-tree.ts';

/** `branch` null: taken whenever the source goes on at all. */
export type PlannedEdge = { readonly from: string; readonly to: string; readonly branch: string | null };

/** A tree with expressions, what they read, and whether this process may evaluate them. */
export type PlannedTree = {
  readonly tree: unknown;
  readonly reads: readonly string[];
  readonly readsVars: boolean;
  readonly isPlain: boolean;
};

export type PlannedNode = {
  readonly id: string;
  readonly kind: StepKind;
  readonly config: PlannedTree;
  /** Indexes into `Plan.edges`. */
  readonly incoming: readonly number[];
  readonly outgoing: readonly number[];
  readonly gate: Gate;
  /** Nodes that are cancelled when this join starts early with `cancelRest`. */
  readonly cancels: readonly string[];
  readonly retry: RetryPolicy;
  /** Milliseconds one attempt may take; null leaves it to the host. */
  readonly timeoutMs: number | null;
  readonly onError: 'fail' | 'continue' | 'branch';
};

/** A definition prepared for running. Derived, never stored: the same definition and defaults give the same plan. */
export type Plan = {
  /** In written order. */
  readonly nodes: ReadonlyMap<string, PlannedNode>;
  readonly edges: readonly PlannedEdge[];
  readonly output: PlannedTree | null;
  /** The highest number of attempts any node has. */
  readonly maxAttempts: number;
};

const ALL_EDGES: Gate = { needed: 'all', cancelRest: false };

/** Prepares a validated definition. Throws only for a definition that `validateDefinition` would refuse. */
export function planWorkflow(definition: WorkflowDefinition, defaults: RetryDefaults): Plan {
  const edges = planEdges(definition);
  const nodes = new Map(definition.nodes.map((node) => [node.id, planNode(node, edges, defaults)]));
  return {
    nodes,
    edges,
    output: definition.output === undefined ? null : planTree(definition.output),
    maxAttempts: Math.max(...[...nodes.values()].map((node) => node.retry.maxAttempts)),
  };
}

function planEdges({ nodes, edges }: WorkflowDefinition): PlannedEdge[] {
  if (edges !== undefined) {
    return edges.map(({ from, to, branch }) => ({ from, to, branch: branch ?? null }));
  }
  return nodes.slice(1).map(({ id }, index) => ({ from: nodes[index]?.id ?? id, to: id, branch: null }));
}

function planNode(node: DefinitionNode, edges: readonly PlannedEdge[], defaults: RetryDefaults): PlannedNode {
  const kind = findKind(node.type);
  if (kind === undefined) {
    throw new Error(`no kind of node is called ${node.type}`);
  }
  const gate = kind.gate?.(node.config) ?? ALL_EDGES;
  return {
    id: node.id,
    kind,
    config: planTree(node.config),
    incoming: [...edges.keys()].filter((index) => edges[index]?.to === node.id),
    outgoing: [...edges.keys()].filter((index) => edges[index]?.from === node.id),
    gate,
    cancels: gate.cancelRest ? planCancels(node.id, edges) : [],
    retry: resolveRetry(node.retry, defaults),
    timeoutMs: node.timeoutMs ?? null,
    onError: node.onError ?? 'fail',
  };
}

/**
 * A node is superfluous once the join started when all it could still lead to is the join. Its `error` edges do not
 * count: a node that is cancelled does not fail.
 */
function planCancels(joinId: string, edges: readonly PlannedEdge[]): string[] {
  const regular = edges.filter((edge) => edge.branch !== 'error');
  const before = ancestorsIn(regular)(joinId);
  return [...before].filter((id) => leadsOnlyTo(id, joinId, regular));
}

function planTree(tree: unknown): PlannedTree {
  const found = listExpressions(tree, '').map((expression) => analyzeExpression(expression.source));
  const reads = new Set(found.flatMap(({ steps }) => steps.map((step) => step.id)));
  return { tree, reads: [...reads], readsVars: found.some(({ readsVars }) => readsVars), isPlain: isPlain(tree) };
}
