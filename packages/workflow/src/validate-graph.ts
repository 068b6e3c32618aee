import { isRecord } from './json.ts';
import { effectiveEdges, type Outline, type OutlineEdge, type OutlineNode } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { findCycles } from './reachability.ts';
import { branchesOf, findKind } from './steps/registry.ts';

/** Every problem of one graph: edges, branches, cycles, isolated nodes, error edges, joins. */
export function checkGraph(outline: Outline): Problem[] {
  const edges = effectiveEdges(outline);
  const byId = new Map(outline.nodes.flatMap((node) => (node.id === null ? [] : [[node.id, node] as const])));
  return [
    ...checkChain(outline),
    ...checkEdgeEnds(edges, byId),
    ...checkRepeats(outline.edges ?? []),
    ...(outline.edges ?? []).flatMap((edge) => checkBranch(edge, byId.get(edge.from))),
    ...checkErrorEdges(outline.nodes, edges),
    ...checkIsolated(outline),
    ...checkCycles(outline, byId),
    ...outline.nodes.flatMap((node) => checkJoin(node, edges)),
  ];
}

/** Ids are unique in a document, bodies included, so that an id means one node from wherever it is read. */
export function checkIds(nodes: readonly OutlineNode[]): Problem[] {
  const seen = new Set<string>();
  return nodes.flatMap(({ id, path }) => {
    if (id === null || !seen.has(id)) {
      seen.add(id ?? '');
      return [];
    }
    return [{ path: joinPath(path, 'id'), code: 'DUPLICATE_ID', message: `The id ${quote(id)} is used twice.` }];
  });
}

/**
 * Without edges a chain runs every node, so a node that chooses between branches would choose for nothing. A time-out is
 * no choice: without an edge it fails the step.
 */
function checkChain({ nodes, edges }: Outline): Problem[] {
  if (edges !== null) {
    return [];
  }
  return nodes.slice(0, -1).flatMap(({ path, type }) => {
    const branches = type === null ? [] : (findKind(type)?.branches ?? []);
    const message = 'Without edges, a node with branches may only be the last one.';
    return branches.every((branch) => branch === 'timeout') ? [] : [{ path, code: 'BRANCH_NOT_LAST', message }];
  });
}

function checkEdgeEnds(edges: readonly OutlineEdge[], byId: ReadonlyMap<string, OutlineNode>): Problem[] {
  return edges.flatMap((edge) =>
    (['from', 'to'] as const)
      .filter((end) => !byId.has(edge[end]))
      .map((end) => ({
        path: joinPath(edge.path, end),
        code: 'UNKNOWN_NODE',
        message: `There is no node ${quote(edge[end])}.`,
      })),
  );
}

function checkRepeats(edges: readonly OutlineEdge[]): Problem[] {
  const seen = new Set<string>();
  return edges.flatMap(({ path, from, to, branch }) => {
    const key = JSON.stringify([from, to, branch]);
    const isRepeat = seen.has(key);
    seen.add(key);
    return isRepeat ? [{ path, code: 'DUPLICATE_EDGE', message: 'The same edge is written twice.' }] : [];
  });
}

function checkBranch({ path, branch }: OutlineEdge, source: OutlineNode | undefined): Problem[] {
  const kind = source?.type == null ? undefined : findKind(source.type);
  if (branch === null || source === undefined || kind === undefined) {
    return [];
  }
  const at = joinPath(path, 'branch');
  if (branch === 'error') {
    const message = `An error edge needs "onError": "branch" on the node ${quote(source.id ?? '')}.`;
    return source.onError === 'branch' ? [] : [{ path: at, code: 'ERROR_EDGE_UNEXPECTED', message }];
  }
  const branches = branchesOf(kind, source.config);
  const known = [...branches, 'error'].map(quote).join(', ');
  const message = `The node ${quote(source.id ?? '')} has no branch ${quote(branch)}; it has ${known}.`;
  return branches.includes(branch) ? [] : [{ path: at, code: 'UNKNOWN_BRANCH', message }];
}

function checkErrorEdges(nodes: readonly OutlineNode[], edges: readonly OutlineEdge[]): Problem[] {
  const handled = new Set(edges.filter((edge) => edge.branch === 'error').map((edge) => edge.from));
  const message = 'With "onError": "branch" at least one edge must have the branch "error".';
  return nodes
    .filter((node) => node.onError === 'branch' && node.id !== null && !handled.has(node.id))
    .map((node) => ({ path: joinPath(node.path, 'onError'), code: 'ERROR_EDGE_MISSING', message }));
}

function checkIsolated({ path, nodes, edges }: Outline): Problem[] {
  if (edges === null || nodes.length < 2) {
    return [];
  }
  if (edges.length === 0) {
    const message = 'Several nodes need edges; leave "edges" out to run them in written order.';
    return [{ path: joinPath(path, 'edges'), code: 'EMPTY_EDGES', message }];
  }
  const connected = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const message = 'This node has no edge.';
  return nodes
    .filter((node) => node.id !== null && !connected.has(node.id))
    .map((node) => ({ path: node.path, code: 'ISOLATED_NODE', message }));
}

function checkCycles({ path, edges }: Outline, byId: ReadonlyMap<string, OutlineNode>): Problem[] {
  return findCycles([...byId.keys()], edges ?? []).map((cycle) => {
    const shown = cycle.slice(0, 10).map(quote).join(', ');
    return { path: joinPath(path, 'edges'), code: 'CYCLE', message: `These nodes lead back to themselves: ${shown}.` };
  });
}

function checkJoin({ id, type, path, config }: OutlineNode, edges: readonly OutlineEdge[]): Problem[] {
  if (id === null || type !== 'parallel.join') {
    return [];
  }
  const incoming = edges.filter((edge) => edge.to === id).length;
  if (incoming === 0) {
    return [{ path, code: 'JOIN_WITHOUT_EDGES', message: 'A join needs incoming edges.' }];
  }
  const count = isRecord(config) ? config.count : undefined;
  if (typeof count !== 'number' || count <= incoming) {
    return [];
  }
  const message = `Only ${incoming} edges lead to this join.`;
  return [{ path: joinPath(path, 'config', 'count'), code: 'JOIN_COUNT', message }];
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
