import { NODE_ID } from './definition.ts';
import { isRecord } from './json.ts';
import { effectiveEdges, listGraphs, type Outline, readOutline } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { renameIn, renamingOf } from './rename-references.ts';
import { findKind } from './steps/registry.ts';

/** A document while it is edited; it must have passed the check of `Draft`, and may be wrong in any other way. */
export type Document = Readonly<Record<string, unknown>>;
export type EdgeEnds = { readonly from: string; readonly to: string; readonly branch?: string };

/** The changed document, which shares what did not change with the one it came of, or why nothing was changed. */
export type Edit =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly problem: Problem };

/** Where a node is added: the run, the body of the loop with that id, or what runs after a failure. */
export type Place = { readonly in: 'run' | 'onFailure' } | { readonly in: 'loop'; readonly loopId: string };

/** Adds a node at the end of a graph, without edges. In a graph without an edge list it follows the last one. */
export function addNode(document: Document, node: Readonly<Record<string, unknown>>, place: Place): Edit {
  const graph = graphAt(document, place);
  const { id } = node;
  if (graph === null) {
    return refuse('', 'UNKNOWN_NODE', 'There is no such place in this document.');
  }
  if (typeof id !== 'string' || graphOf(document, id) !== null) {
    return refuse(joinPath(graph.path, 'nodes'), 'DUPLICATE_ID', 'A new node needs an id that no other node has.');
  }
  return changed(document, graph.path, (it) => ({ ...it, nodes: [...listOf(it.nodes), node] }));
}

/** Removes a node with its edges and, when it is a loop, its body. What referred to it is left for validation to tell. */
export function removeNode(document: Document, id: string): Edit {
  return changeGraphOf(document, id, (graph) => ({
    ...graph,
    nodes: listOf(graph.nodes).filter((node) => idOf(node) !== id),
    ...edgesWith(graph, (edges) => edges.filter((edge) => !isRecord(edge) || (edge.from !== id && edge.to !== id))),
  }));
}

/**
 * Gives a node another id: in its edges, and in all expressions that read it, also as a key of the output of a join that it
 * leads to. A key that an expression makes, as `$lookup` does, is the author's to change.
 */
export function renameNode(document: Document, id: string, newId: string): Edit {
  const graph = graphOf(document, id);
  const path = graph === null ? '' : joinPath(graph.path, 'nodes');
  if (!NODE_ID.test(newId)) {
    return refuse(path, 'INVALID_VALUE', 'An id starts with a letter and has at most 64 letters, digits, - or _.');
  }
  if (newId !== id && graphOf(document, newId) !== null) {
    return refuse(path, 'DUPLICATE_ID', `The id ${JSON.stringify(newId)} is used already.`);
  }
  const renamed = changeGraphOf(document, id, (it) => ({
    ...it,
    nodes: listOf(it.nodes).map((node) => (isRecord(node) && node.id === id ? { ...node, id: newId } : node)),
    ...edgesWith(it, (edges) => edges.map((edge) => renameEnds(edge, id, newId))),
  }));
  const renaming = renamingOf(new Map([[id, newId]]), graph === null ? [] : [graph]);
  return renamed.ok ? { ok: true, document: renameIn(renamed.document, renaming) } : renamed;
}

/** Adds an edge between two nodes of the same graph; a chain becomes a written edge list first. */
export function connect(document: Document, edge: EdgeEnds): Edit {
  const graph = graphOf(document, edge.from);
  if (graph === null || graphOf(document, edge.to)?.path !== graph.path) {
    return refuse('', 'UNKNOWN_NODE', 'An edge needs two nodes of the same graph.');
  }
  if (effectiveEdges(graph).some((other) => isSameEdge(other, edge))) {
    return refuse(joinPath(graph.path, 'edges'), 'DUPLICATE_EDGE', 'These nodes are connected already.');
  }
  return changed(document, graph.path, (it) => ({ ...it, edges: [...writtenEdges(graph, it), toEdge(edge)] }));
}

/** Removes an edge; a chain becomes a written edge list first. */
export function disconnect(document: Document, edge: EdgeEnds): Edit {
  const graph = graphOf(document, edge.from);
  if (graph === null || !effectiveEdges(graph).some((other) => isSameEdge(other, edge))) {
    return refuse('', 'UNKNOWN_EDGE', 'There is no such edge.');
  }
  return changed(document, graph.path, (it) => ({
    ...it,
    edges: writtenEdges(graph, it).filter((other) => !isRecord(other) || !isSameEdge(other, edge)),
  }));
}

/** Writes the edges of a chain out, so that a node added to it follows nothing by itself. */
export function writeEdges(document: Document, place: Place): Edit {
  const graph = graphAt(document, place);
  return graph === null
    ? refuse('', 'UNKNOWN_NODE', 'There is no such place in this document.')
    : changed(document, graph.path, (it) => ({ ...it, edges: writtenEdges(graph, it) }));
}

/** Replaces the config of a node as a whole; that of a loop holds its body. */
export function setConfig(document: Document, id: string, config: Readonly<Record<string, unknown>>): Edit {
  return changeGraphOf(document, id, (graph) => ({
    ...graph,
    nodes: listOf(graph.nodes).map((node) => (isRecord(node) && node.id === id ? { ...node, config } : node)),
  }));
}

/** What a node has besides its id, type and config. */
export type NodeOption = 'name' | 'retry' | 'timeoutMs' | 'onError' | 'idempotency';

/** Sets an option of a node; undefined removes it. */
export function setOption(document: Document, id: string, option: NodeOption, value: unknown): Edit {
  return changeGraphOf(document, id, (graph) => ({
    ...graph,
    nodes: listOf(graph.nodes).map((node) => (isRecord(node) && node.id === id ? withKey(node, option, value) : node)),
  }));
}

/** What a document has besides its nodes, edges and version. */
export type DocumentPart = 'trigger' | 'output' | 'constants' | 'settings';

/** Sets a part of the document itself; undefined removes it. */
export function setPart(document: Document, part: DocumentPart, value: unknown): Edit {
  return { ok: true, document: withKey(document, part, value) };
}

function withKey(target: Document, key: string, value: unknown): Document {
  const { [key]: _, ...rest } = target;
  return value === undefined ? rest : { ...target, [key]: value };
}

type Change = (graph: Document) => Document;

function changeGraphOf(document: Document, id: string, change: Change): Edit {
  const graph = graphOf(document, id);
  return graph === null
    ? refuse('', 'UNKNOWN_NODE', `There is no node ${JSON.stringify(id.slice(0, 80))}.`)
    : changed(document, graph.path, change);
}

function changed(document: Document, path: string, change: Change): Edit {
  const main = changeWithin(document, '', path, change);
  const settings = isRecord(main.settings) ? main.settings : {};
  if (!isRecord(settings.onFailure)) {
    return { ok: true, document: main };
  }
  const onFailure = changeWithin(settings.onFailure, 'settings.onFailure', path, change);
  const isSame = onFailure === settings.onFailure;
  return { ok: true, document: isSame ? main : { ...main, settings: { ...settings, onFailure } } };
}

/** Changes the graph at `path`, which is this one or lies in the body of one of its loops. */
function changeWithin(graph: Document, at: string, path: string, change: Change): Document {
  if (at === path) {
    return change(graph);
  }
  const nodes = listOf(graph.nodes).map((node, index) => {
    const bodyPath = joinPath(at, 'nodes', index, 'config', 'body');
    const config = isRecord(node) && isRecord(node.config) ? node.config : {};
    if (!isRecord(node) || !isRecord(config.body) || !(path === bodyPath || path.startsWith(`${bodyPath}.`))) {
      return node;
    }
    return { ...node, config: { ...config, body: changeWithin(config.body, bodyPath, path, change) } };
  });
  return nodes.every((node, index) => node === listOf(graph.nodes)[index]) ? graph : { ...graph, nodes };
}

/** The graph that holds the node of that id; null when none does. */
export function graphOf(document: Document, id: string): Outline | null {
  return listGraphs(readOutline(document)).find((graph) => graph.nodes.some((node) => node.id === id)) ?? null;
}

/** The graph of a place; null when the document has no such place. */
export function graphAt(document: Document, place: Place): Outline | null {
  const { main, onFailure } = readOutline(document);
  if (place.in !== 'loop') {
    return place.in === 'run' ? main : onFailure;
  }
  const nodes = listGraphs({ main, onFailure }).flatMap((graph) => graph.nodes);
  return nodes.find(({ id, type }) => id === place.loopId && findKind(type ?? '')?.loop !== undefined)?.body ?? null;
}

/** The edge list as it is written, or the chain it stands for. */
function writtenEdges(outline: Outline, graph: Document): readonly unknown[] {
  return outline.edges === null ? effectiveEdges(outline).map(toEdge) : listOf(graph.edges);
}

function edgesWith(graph: Document, change: (edges: readonly unknown[]) => readonly unknown[]): Document {
  return Array.isArray(graph.edges) ? { edges: change(graph.edges) } : {};
}

function renameEnds(edge: unknown, id: string, newId: string): unknown {
  if (!isRecord(edge) || (edge.from !== id && edge.to !== id)) {
    return edge;
  }
  return { ...edge, from: edge.from === id ? newId : edge.from, to: edge.to === id ? newId : edge.to };
}

function toEdge({ from, to, branch }: { from: string; to: string; branch?: string | null }): EdgeEnds {
  return branch == null ? { from, to } : { from, to, branch };
}

function isSameEdge(left: Document, right: EdgeEnds): boolean {
  return left.from === right.from && left.to === right.to && (left.branch ?? null) === (right.branch ?? null);
}

function idOf(node: unknown): unknown {
  return isRecord(node) ? node.id : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function refuse(path: string, code: string, message: string): Edit {
  return { ok: false, problem: { path, code, message } };
}
