import type { CanvasEdge, CanvasNode } from './canvas.ts';

/**
 * The nodes to show: as derived, in the very objects that are shown already wherever nothing changed. The canvas renders
 * only what is a new object, and keeps what it measured in the old ones.
 */
export function keepNodes(shown: readonly CanvasNode[], derived: readonly CanvasNode[], selected: ReadonlySet<string>) {
  const known = new Map(shown.map((node) => [node.id, node]));
  let isSame = shown.length === derived.length;
  const nodes = derived.map((node, index) => {
    const old = known.get(node.id);
    const kept = old ? keepNode(old, node, selected.has(node.id)) : { ...node, selected: selected.has(node.id) };
    isSame &&= kept === shown[index];
    return kept;
  });
  return isSame ? (shown as CanvasNode[]) : nodes;
}

/** The same for edges. */
export function keepEdges(shown: readonly CanvasEdge[], derived: readonly CanvasEdge[], selected: ReadonlySet<string>) {
  const known = new Map(shown.map((edge) => [edge.id, edge]));
  return derived.map((edge) => {
    const old = known.get(edge.id);
    const isSelected = selected.has(edge.id);
    const isSame = old && old.selected === isSelected && isSameEdgeData(old, edge);
    return isSame ? old : { ...edge, selected: isSelected };
  });
}

function keepNode(old: CanvasNode, node: CanvasNode, selected: boolean): CanvasNode {
  const data = isSameData(old.data, node.data) ? old.data : node.data;
  const position = old.dragging || isSameSpot(old, node) ? old.position : node.position;
  if (data === old.data && position === old.position && old.selected === selected && old.type === node.type) return old;
  return { ...old, type: node.type, ariaLabel: node.ariaLabel, data, position, selected };
}

function isSameSpot(one: CanvasNode, other: CanvasNode): boolean {
  return one.position.x === other.position.x && one.position.y === other.position.y;
}

function isSameData(one: CanvasNode['data'], other: CanvasNode['data']): boolean {
  return (
    one.config === other.config &&
    one.type === other.type &&
    one.name === other.name &&
    one.problemCount === other.problemCount &&
    one.isPinned === other.isPinned &&
    one.bodySize === other.bodySize &&
    isSameState(one.state, other.state) &&
    isSameList(one.handles, other.handles) &&
    isSameList(one.loose, other.loose)
  );
}

function isSameState(one: CanvasNode['data']['state'], other: CanvasNode['data']['state']): boolean {
  return (
    one?.status === other?.status &&
    one?.attempt === other?.attempt &&
    one?.stepKey === other?.stepKey &&
    one?.count?.done === other?.count?.done &&
    one?.count?.total === other?.count?.total
  );
}

function isSameEdgeData({ data: one }: CanvasEdge, { data: other }: CanvasEdge): boolean {
  return one?.isFaulty === other?.isFaulty && one?.passage === other?.passage;
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}
