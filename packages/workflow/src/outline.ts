import { isRecord } from './json.ts';
import { joinPath } from './problem.ts';

/** A node as far as an unchecked document lets one read it; null where the document has nothing usable. */
export type OutlineNode = {
  readonly path: string;
  readonly id: string | null;
  readonly type: string | null;
  readonly config: unknown;
  readonly onError: unknown;
};

export type OutlineEdge = {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly branch: string | null;
};

/** The graph of a document that may be wrong in any way, so that one mistake does not hide the others. */
export type Outline = {
  readonly nodes: readonly OutlineNode[];
  /** Null when the document has no `edges`: its nodes then form a chain. */
  readonly edges: readonly OutlineEdge[] | null;
};

/** Reads what can be read; entries that are no objects or lack their ends are left to the check of the shape. */
export function readOutline(input: unknown): Outline {
  const document = isRecord(input) ? input : {};
  const nodes = list(document.nodes).flatMap((node, index) => (isRecord(node) ? [readNode(node, index)] : []));
  const edges = Object.hasOwn(document, 'edges')
    ? list(document.edges).flatMap((edge, index) => (isRecord(edge) ? readEdge(edge, index) : []))
    : null;
  return { nodes, edges };
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

function readNode(node: Record<string, unknown>, index: number): OutlineNode {
  return {
    path: joinPath('nodes', index),
    id: text(node.id),
    type: text(node.type),
    config: node.config,
    onError: node.onError,
  };
}

function readEdge(edge: Record<string, unknown>, index: number): OutlineEdge[] {
  const from = text(edge.from);
  const to = text(edge.to);
  if (from === null || to === null) {
    return [];
  }
  return [{ path: joinPath('edges', index), from, to, branch: text(edge.branch) }];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
