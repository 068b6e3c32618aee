import type { DefinitionNode, WorkflowDefinition } from './definition.ts';
import { type PlannedTree, planTree } from './planned-tree.ts';
import { leadingOnlyTo } from './reachability.ts';
import { type RetryDefaults, type RetryPolicy, resolveRetry } from './retry.ts';
import type { Gate, StepKind } from './steps/kind.ts';
import { type LoopConfig, readLoop } from './steps/loop-config.ts';
import { findKind } from './steps/registry.ts';

/** `branch` null: taken whenever the source goes on at all. */
export type PlannedEdge = { readonly from: string; readonly to: string; readonly branch: string | null };

/** Nodes and the edges between them: a document, the body of a loop, or `onFailure`. Ids are unique over all of them. */
export type Graph = {
  /** In written order. */
  readonly nodes: ReadonlyMap<string, PlannedNode>;
  readonly edges: readonly PlannedEdge[];
  readonly output: PlannedTree | null;
};

/** What a loop runs. `until` is null for a foreach. `as` names the item in expressions, `<as>Index` its index. */
export type PlannedLoop = {
  readonly body: Graph;
  readonly as: string;
  readonly concurrency: number;
  readonly onItemError: 'fail' | 'collect';
  readonly until: PlannedTree | null;
};

/** How many runs may be at work at a time, of the workflow or, with a key, of those for which it has the same value. */
export type PlannedConcurrency = {
  readonly limit: number;
  readonly key: PlannedTree | null;
  readonly whenFull: 'queue' | 'skip' | 'cancelOldest';
};

export type PlannedNode = {
  readonly id: string;
  readonly kind: StepKind;
  /** Without the body of a loop and its `until`. */
  readonly config: PlannedTree;
  readonly loop: PlannedLoop | null;
  /** Indexes into the edges of its graph. */
  readonly incoming: readonly number[];
  readonly outgoing: readonly number[];
  readonly gate: Gate;
  /** Nodes that are cancelled when this join starts early with `cancelRest`. */
  readonly cancels: readonly string[];
  readonly retry: RetryPolicy;
  /** Milliseconds one attempt may take; null leaves it to the host. */
  readonly timeoutMs: number | null;
  readonly onError: 'fail' | 'continue' | 'branch';
  /** `none`: an attempt whose outcome is unknown is not made again before a person says so. */
  readonly idempotency: 'key' | 'natural' | 'none';
};

/** A definition prepared for running. Derived, never stored: the same definition and defaults give the same plan. */
export type Plan = Graph & {
  readonly onFailure: Graph | null;
  readonly concurrency: PlannedConcurrency | null;
  /** Milliseconds a run may take; null leaves it without a limit. */
  readonly timeoutMs: number | null;
  /** The highest number of attempts any node has, those of bodies included. */
  readonly maxAttempts: number;
};

type ConcurrencyDefinition = NonNullable<NonNullable<WorkflowDefinition['settings']>['concurrency']>;
type GraphDefinition = Pick<WorkflowDefinition, 'nodes' | 'edges' | 'output'>;
type Context = { readonly defaults: RetryDefaults; readonly names: readonly string[] };

const ALL_EDGES: Gate = { needed: 'all', cancelRest: false };

/** Prepares a validated definition. Throws only for a definition that `validateDefinition` would refuse. */
export function planWorkflow(definition: WorkflowDefinition, defaults: RetryDefaults): Plan {
  const graph = planGraph(definition, { defaults, names: [] });
  const { onFailure, timeoutMs, concurrency } = definition.settings ?? {};
  const after = onFailure === undefined ? null : planGraph(onFailure, { defaults, names: ['error'] });
  return {
    ...graph,
    onFailure: after,
    concurrency: concurrency === undefined ? null : planConcurrency(concurrency),
    timeoutMs: timeoutMs ?? null,
    maxAttempts: Math.max(maxAttemptsIn(graph), after === null ? 1 : maxAttemptsIn(after)),
  };
}

function planConcurrency({ limit, key, whenFull }: ConcurrencyDefinition): PlannedConcurrency {
  return { limit, key: key === undefined ? null : planTree(key, []), whenFull };
}

function planGraph(definition: GraphDefinition, context: Context): Graph {
  const edges = planEdges(definition);
  const links = linkUp(edges);
  return {
    nodes: new Map(definition.nodes.map((node) => [node.id, planNode(node, links, context)])),
    edges,
    output: definition.output === undefined ? null : planTree(definition.output, context.names),
  };
}

function planEdges({ nodes, edges }: GraphDefinition): PlannedEdge[] {
  if (edges !== undefined) {
    return edges.map(({ from, to, branch }) => ({ from, to, branch: branch ?? null }));
  }
  return nodes.slice(1).map(({ id }, index) => ({ from: nodes[index]?.id ?? id, to: id, branch: null }));
}

/** The edges of a graph by the nodes at their ends. */
type Links = {
  readonly incoming: ReadonlyMap<string, number[]>;
  readonly outgoing: ReadonlyMap<string, number[]>;
  /** The nodes that are superfluous once this one, a join, has started. */
  readonly superfluous: (joinId: string) => string[];
};

/**
 * A node is superfluous once a join started when all it could still lead to is the join. Its `error` edges do not count:
 * a node that is cancelled does not fail.
 */
function linkUp(edges: readonly PlannedEdge[]): Links {
  const indexes = [...edges.keys()];
  return {
    incoming: Map.groupBy(indexes, (index) => edges[index]?.to ?? ''),
    outgoing: Map.groupBy(indexes, (index) => edges[index]?.from ?? ''),
    superfluous: leadingOnlyTo(edges.filter((edge) => edge.branch !== 'error')),
  };
}

function planNode(node: DefinitionNode, links: Links, context: Context): PlannedNode {
  const kind = findKind(node.type);
  if (kind === undefined) {
    throw new Error(`no kind of node is called ${node.type}`);
  }
  const gate = kind.gate?.(node.config) ?? ALL_EDGES;
  const loop = kind.loop === undefined ? null : readLoop(node.config);
  return {
    id: node.id,
    kind,
    config: planTree(loop?.own ?? node.config, context.names),
    loop: loop === null ? null : planLoop(loop, context),
    incoming: links.incoming.get(node.id) ?? [],
    outgoing: links.outgoing.get(node.id) ?? [],
    gate,
    cancels: gate.cancelRest ? links.superfluous(node.id) : [],
    retry: resolveRetry(node.retry, context.defaults),
    timeoutMs: node.timeoutMs ?? null,
    onError: node.onError ?? 'fail',
    idempotency: node.idempotency ?? kind.idempotency?.(node.config) ?? 'natural',
  };
}

function planLoop({ body, until, as, concurrency, onItemError }: LoopConfig, context: Context): PlannedLoop {
  const names = [...context.names, as, `${as}Index`];
  return {
    body: planGraph(body, { ...context, names }),
    as,
    concurrency,
    onItemError,
    until: until === undefined ? null : planTree(until, names),
  };
}

function maxAttemptsIn({ nodes }: Graph): number {
  const each = [...nodes.values()].map(({ loop, retry }) =>
    Math.max(retry.maxAttempts, loop === null ? 1 : maxAttemptsIn(loop.body)),
  );
  return Math.max(...each);
}
