import { addNode, connect, type Document, type EdgeEnds, type Edit, graphAt, type Place, writeEdges } from './edit.ts';
import { addStep, freeId } from './edit-steps.ts';
import { changeEvaluatedOf } from './evaluated-places.ts';
import { isRecord } from './json.ts';
import { effectiveEdges, listGraphs, readOutline } from './outline.ts';
import { type Renaming, renameReferences, renamingOf } from './rename-references.ts';
import { findKind } from './steps/registry.ts';

type Node = Readonly<Record<string, unknown>>;

/** Copied nodes of one graph and the edges among them. */
export type Clip = { readonly nodes: readonly Node[]; readonly edges: readonly EdgeEnds[] };

/** The nodes of that ids which share a graph, as they are written; null when there are none. */
export function copySteps(document: Document, ids: readonly string[]): Clip | null {
  const chosen = new Set(ids);
  const graph = listGraphs(readOutline(document)).find(({ nodes }) => nodes.some(({ id }) => chosen.has(id ?? '')));
  const nodes = graph?.nodes.filter(({ id }) => chosen.has(id ?? '')).map(({ given }) => given) ?? [];
  if (graph === undefined || nodes.length === 0) {
    return null;
  }
  const edges = effectiveEdges(graph)
    .filter(({ from, to }) => chosen.has(from) && chosen.has(to))
    .map(({ from, to, branch }) => ({ from, to, ...(branch === null ? {} : { branch }) }));
  return { nodes, edges };
}

/** Reads a clip from what a clipboard held; null when that is something else. */
export function readClip(text: string): Clip | null {
  try {
    const value: unknown = JSON.parse(text);
    const clip = isRecord(value) && isRecord(value.millrace) ? value.millrace : null;
    if (clip === null || !Array.isArray(clip.nodes) || !Array.isArray(clip.edges)) {
      return null;
    }
    const nodes = clip.nodes.filter((node) => isRecord(node) && typeof node.id === 'string');
    const edges = clip.edges.filter((edge) => isRecord(edge) && isText(edge.from) && isText(edge.to));
    return nodes.length === 0 ? null : { nodes, edges };
  } catch {
    return null;
  }
}

/** A clip as text for a clipboard. */
export function printClip(clip: Clip): string {
  return JSON.stringify({ millrace: clip }, null, 2);
}

export type Paste = { readonly edit: Edit; readonly ids: readonly string[] };

/**
 * Adds copied nodes to a place under ids that are free, bodies of loops included. Edges and references among the copied
 * nodes lead to the copies; references to anything else stay.
 */
export function pasteSteps(document: Document, clip: Clip, place: Place): Paste {
  const graphs = listGraphs(readOutline(clip));
  const names = newIds(
    document,
    graphs.flatMap(({ nodes }) => nodes.flatMap(({ id }) => id ?? [])),
  );
  const renaming = renamingOf(names, graphs);
  const nodes = clip.nodes.map((node) => renameAll(node, renaming));
  const newId = (id: string) => names.get(id) ?? id;
  let edit: Edit = graphAt(document, place) === null ? { ok: true, document } : writeEdges(document, place);
  for (const node of nodes) {
    edit = edit.ok ? insert(edit.document, node, place) : edit;
  }
  for (const edge of clip.edges) {
    edit = edit.ok ? connect(edit.document, { ...edge, from: newId(edge.from), to: newId(edge.to) }) : edit;
  }
  return { edit, ids: nodes.map(({ id }) => String(id)) };
}

function insert(document: Document, node: Node, place: Place): Edit {
  if (graphAt(document, place) !== null) {
    return addNode(document, node, place);
  }
  const edit = addStep(document, { ...node, id: String(node.id) }, place, { at: 'loose' });
  return edit.ok ? writeEdges(edit.document, place) : edit;
}

function newIds(document: Document, ids: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  let taken = document;
  for (const id of ids) {
    if (!names.has(id)) {
      const free = freeId(taken, id);
      names.set(id, free);
      taken = { ...taken, nodes: [...(Array.isArray(taken.nodes) ? taken.nodes : []), { id: free }] };
    }
  }
  return names;
}

function renameAll(node: Node, renaming: Renaming): Node {
  const rewritten = changeEvaluatedOf(node, (tree) => renameReferences(tree, renaming));
  return renameIds(rewritten, renaming.ids);
}

/** The ids of nodes and the ends of edges, down into the bodies of loops: any other `body` is data. */
function renameIds(node: Node, names: ReadonlyMap<string, string>): Node {
  const { id, type, config } = node;
  const renamed = isText(id) ? { ...node, id: names.get(id) ?? id } : node;
  const isLoop = isText(type) && findKind(type)?.loop !== undefined;
  if (!isLoop || !isRecord(config) || !isRecord(config.body)) {
    return renamed;
  }
  const { body } = config;
  const nodes = listOf(body.nodes)?.map((inner) => (isRecord(inner) ? renameIds(inner, names) : inner));
  const edges = listOf(body.edges)?.map((edge) => renameEnds(edge, names));
  return { ...renamed, config: { ...config, body: { ...body, ...(nodes && { nodes }), ...(edges && { edges }) } } };
}

function renameEnds(edge: unknown, names: ReadonlyMap<string, string>): unknown {
  if (!isRecord(edge) || !isText(edge.from) || !isText(edge.to)) {
    return edge;
  }
  return { ...edge, from: names.get(edge.from) ?? edge.from, to: names.get(edge.to) ?? edge.to };
}

function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
