import {
  addNode,
  connect,
  type Document,
  disconnect,
  type EdgeEnds,
  type Edit,
  graphAt,
  type Place,
  removeNode,
  setPart,
  writeEdges,
} from './edit.ts';
import { isRecord } from './json.ts';
import { effectiveEdges, listGraphs, type Outline, type OutlineNode, readOutline } from './outline.ts';
import { branchesOf, findKind } from './steps/registry.ts';

/** Where a step goes: after a node by one of its branches, onto an edge, before what a graph begins with, or by itself. */
export type Spot =
  | { readonly at: 'after'; readonly from: string; readonly branch?: string }
  | { readonly at: 'edge'; readonly edge: EdgeEnds }
  | { readonly at: 'start'; readonly to: string }
  | { readonly at: 'loose' };

type NewNode = Readonly<Record<string, unknown>> & { readonly id: string };

/** Adds a node at a spot with the edges it needs there. `onFailure` comes into being with its first node. */
export function addStep(document: Document, node: NewNode, place: Place, spot: Spot): Edit {
  if (place.in === 'onFailure' && graphAt(document, place) === null) {
    const settings = isRecord(document.settings) ? document.settings : {};
    return setPart(document, 'settings', { ...settings, onFailure: { nodes: [node] } });
  }
  const isFirst = graphAt(document, place)?.nodes.length === 0;
  const spread = isFirst ? same(document) : writeEdges(document, place);
  const cleared = then(spread, (it) => (spot.at === 'edge' ? disconnect(it, spot.edge) : same(it)));
  const added = then(cleared, (it) => addNode(it, node, place));
  return edgesFor(node, spot).reduce((edit, edge) => then(edit, (it) => connect(it, edge)), added);
}

/** Whether nothing leads to a node or from it. */
export function isLoose(graph: Outline, id: string): boolean {
  return !effectiveEdges(graph).some(({ from, to }) => from === id || to === id);
}

/** Gives a node of the document, which must be loose, the edges that it needs at a spot of its graph. */
export function insertStep(document: Document, id: string, spot: Spot): Edit {
  const found = findNode(document, id);
  if (found === null || !isLoose(found.graph, id)) {
    const message = 'Only a step that nothing leads to or from can be put between others.';
    return { ok: false, problem: { path: found?.node.path ?? '', code: 'NOT_LOOSE', message } };
  }
  const { type, config } = found.node;
  const cleared = spot.at === 'edge' ? disconnect(document, spot.edge) : same(document);
  return edgesFor({ id, type, config }, spot).reduce((edit, edge) => then(edit, (it) => connect(it, edge)), cleared);
}

/** Removes nodes; what came before one that stood between two others then leads to what came after. */
export function removeSteps(document: Document, ids: readonly string[]): Edit {
  const removed = ids.reduce<Edit>((edit, id) => then(edit, (it) => removeStep(it, id)), same(document));
  return then(removed, dropEmptyOnFailure);
}

/** The branch by which a step goes on when nobody chose one: none, or the first of those it chooses from. */
export function mainBranch(type: string, config: unknown): string | null {
  const kind = findKind(type);
  const branches = kind === undefined ? [] : branchesOf(kind, config).filter((branch) => branch !== 'timeout');
  return branches[0] ?? null;
}

/** An id that no node has yet, in the manner of the ones at hand: `transform`, `transform2`. Needs no backticks. */
export function freeId(document: Document, wished: string): string {
  const taken = new Set(listGraphs(readOutline(document)).flatMap(({ nodes }) => nodes.map(({ id }) => id)));
  const stem = wished.replace(/[^A-Za-z0-9]/g, '').replace(/^[^A-Za-z]+|(?<!\d)\d+$/g, '') || 'step';
  const first = taken.has(wished) || !/^[A-Za-z][A-Za-z0-9]*$/.test(wished) ? stem : wished;
  for (let count = 1; ; count += 1) {
    const id = count === 1 ? first : `${stem}${count}`;
    if (!taken.has(id)) {
      return id;
    }
  }
}

function edgesFor(node: NewNode, spot: Spot): EdgeEnds[] {
  const own = mainBranch(String(node.type), node.config);
  const onward = (to: string) => ({ from: node.id, to, ...(own === null ? {} : { branch: own }) });
  switch (spot.at) {
    case 'after':
      return [{ from: spot.from, to: node.id, ...(spot.branch === undefined ? {} : { branch: spot.branch }) }];
    case 'edge':
      return [{ ...spot.edge, to: node.id }, onward(spot.edge.to)];
    case 'start':
      return [onward(spot.to)];
    case 'loose':
      return [];
  }
}

function removeStep(document: Document, id: string): Edit {
  const found = findNode(document, id);
  if (found === null || found.graph.edges === null) {
    return removeNode(document, id);
  }
  const edges = effectiveEdges(found.graph);
  const [before, ...others] = edges.filter((edge) => edge.to === id);
  const [after, ...more] = edges.filter((edge) => edge.from === id);
  const removed = removeNode(document, id);
  if (before === undefined || after === undefined || others.length > 0 || more.length > 0 || before.from === after.to) {
    return removed;
  }
  const bridge = { from: before.from, to: after.to, ...(before.branch === null ? {} : { branch: before.branch }) };
  const isThere = edges.some(
    (edge) => edge.from === bridge.from && edge.to === bridge.to && edge.branch === before.branch,
  );
  return isThere ? removed : then(removed, (it) => connect(it, bridge));
}

function dropEmptyOnFailure(document: Document): Edit {
  const { settings } = document;
  const graph = graphAt(document, { in: 'onFailure' });
  if (graph === null || graph.nodes.length > 0 || !isRecord(settings)) {
    return same(document);
  }
  const { onFailure: _, ...rest } = settings;
  return setPart(document, 'settings', Object.keys(rest).length === 0 ? undefined : rest);
}

/** A node of the document with the graph that holds it. */
export function findNode(document: Document, id: string): { node: OutlineNode; graph: Outline } | null {
  for (const graph of listGraphs(readOutline(document))) {
    const node = graph.nodes.find((candidate) => candidate.id === id);
    if (node !== undefined) {
      return { node, graph };
    }
  }
  return null;
}

function same(document: Document): Edit {
  return { ok: true, document };
}

function then(edit: Edit, next: (document: Document) => Edit): Edit {
  return edit.ok ? next(edit.document) : edit;
}
