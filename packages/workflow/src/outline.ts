import { isRecord } from './json.ts';
import { joinPath } from './problem.ts';
import { findKind } from './steps/registry.ts';

/** A node as far as an unchecked document lets one read it; null where the document has nothing usable. */
export type OutlineNode = {
  readonly path: string;
  readonly id: string | null;
  readonly type: string | null;
  readonly config: unknown;
  readonly onError: unknown;
  /** The node as it is written. */
  readonly given: Readonly<Record<string, unknown>>;
  /** What a loop runs. */
  readonly body: Outline | null;
};

export type OutlineEdge = {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly branch: string | null;
};

/** A graph of a document that may be wrong in any way, so that one mistake does not hide the others. */
export type Outline = {
  /** Of the object that holds the nodes: empty for the document itself. */
  readonly path: string;
  readonly nodes: readonly OutlineNode[];
  /** Null when the graph has no `edges`: its nodes then form a chain. */
  readonly edges: readonly OutlineEdge[] | null;
  readonly output: unknown;
};

/** The document's own graph, and the one that runs after a failure. */
export type DocumentOutline = { readonly main: Outline; readonly onFailure: Outline | null };

/** Reads what can be read; entries that are no objects or lack their ends are left to the check of the shape. */
export function readOutline(input: unknown): DocumentOutline {
  const document = isRecord(input) ? input : {};
  const settings = isRecord(document.settings) ? document.settings : {};
  const { onFailure } = settings;
  return {
    main: readGraph(document, ''),
    onFailure: isRecord(onFailure) ? readGraph(onFailure, 'settings.onFailure') : null,
  };
}

/** Every graph of a document, bodies included. */
export function listGraphs({ main, onFailure }: DocumentOutline): Outline[] {
  return [main, ...(onFailure === null ? [] : [onFailure])].flatMap(withBodies);
}

/** The edges a run follows: the written ones, or the chain the nodes form without them. */
export function effectiveEdges(outline: Outline): readonly OutlineEdge[] {
  if (outline.edges !== null) {
    return outline.edges;
  }
  return outline.nodes.slice(1).flatMap(({ id, path }, index) => {
    const from = outline.nodes[index]?.id ?? null;
    return from === null || id === null ? [] : [{ path, from, to: id, branch: null }];
  });
}

function withBodies(outline: Outline): Outline[] {
  return [outline, ...outline.nodes.flatMap(({ body }) => (body === null ? [] : withBodies(body)))];
}

function readGraph(graph: Record<string, unknown>, path: string): Outline {
  const nodes = list(graph.nodes).flatMap((node, index) =>
    isRecord(node) ? [readNode(node, joinPath(path, 'nodes', index))] : [],
  );
  const edges = Object.hasOwn(graph, 'edges')
    ? list(graph.edges).flatMap((edge, index) => (isRecord(edge) ? readEdge(edge, joinPath(path, 'edges', index)) : []))
    : null;
  return { path, nodes, edges, output: graph.output };
}

function readNode(node: Record<string, unknown>, path: string): OutlineNode {
  const type = text(node.type);
  const isLoop = type !== null && findKind(type)?.loop !== undefined;
  const body = isLoop && isRecord(node.config) ? node.config.body : undefined;
  return {
    path,
    id: text(node.id),
    type,
    config: node.config,
    onError: node.onError,
    given: node,
    body: isRecord(body) ? readGraph(body, joinPath(path, 'config', 'body')) : null,
  };
}

function readEdge(edge: Record<string, unknown>, path: string): OutlineEdge[] {
  const from = text(edge.from);
  const to = text(edge.to);
  return from === null || to === null ? [] : [{ path, from, to, branch: text(edge.branch) }];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
