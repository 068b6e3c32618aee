import { effectiveEdges, type Outline } from '@millrace/workflow/outline';
import { TRIGGER } from './session.ts';

/** Where steps stand on the canvas, by their ids, which are unique in a document with all its bodies. */
export type Positions = Readonly<Record<string, { readonly x: number; readonly y: number }>>;

export const NODE_WIDTH = 232;
export const NODE_HEIGHT = 72;
export const ROW = 148;
export const COLUMN = 272;

/** The steps with which a graph begins. */
export function firstSteps(graph: Outline): string[] {
  const reached = new Set(effectiveEdges(graph).map(({ to }) => to));
  return graph.nodes.flatMap(({ id }) => (id === null || reached.has(id) ? [] : [id]));
}

/** The trigger and what it leads to are edges for the eye, so they count here. */
export function visibleEdges(graph: Outline): { from: string; to: string }[] {
  const implied = graph.path === '' ? firstSteps(graph).map((to) => ({ from: TRIGGER, to })) : [];
  return [...implied, ...effectiveEdges(graph)];
}

export function visibleIds(graph: Outline): string[] {
  const ids = graph.nodes.flatMap(({ id }) => id ?? []);
  return graph.path === '' ? [TRIGGER, ...ids] : ids;
}

/**
 * Positions for all steps of a graph: those that have one keep it, each other one gets a free spot below what leads to
 * it, and what follows it makes room. Answers the very same object when none was missing.
 */
export function placeMissing(graph: Outline, known: Positions): Positions {
  const missing = visibleIds(graph).filter((id) => !Object.hasOwn(known, id));
  if (missing.length === 0) return known;
  const edges = visibleEdges(graph);
  const all = visibleIds(graph);
  let positions = Object.fromEntries(Object.entries(known));
  const shown = () => all.flatMap((id) => positions[id] ?? []);
  for (const id of inOrder(missing, edges)) {
    const before = edges.filter(({ to }) => to === id).flatMap(({ from }) => positions[from] ?? []);
    const wished = before.length === 0 ? below(shown()) : underneath(before);
    const isBetween = edges.some(({ from, to }) => from === id && Object.hasOwn(positions, to));
    if (isBetween) positions = pushDown(id, wished, edges, positions);
    positions = { ...positions, [id]: freeSpot(wished, shown()) };
  }
  return positions;
}

function underneath(before: readonly { x: number; y: number }[]) {
  const x = before.reduce((sum, spot) => sum + spot.x, 0) / before.length;
  return { x, y: Math.max(...before.map((spot) => spot.y)) + ROW };
}

function below(shown: readonly { x: number; y: number }[]) {
  if (shown.length === 0) return { x: 0, y: 0 };
  return { x: Math.min(...shown.map(({ x }) => x)), y: Math.max(...shown.map(({ y }) => y)) + ROW };
}

function freeSpot(wished: { x: number; y: number }, taken: readonly { x: number; y: number }[]) {
  const spot = { ...wished };
  const isTaken = () => taken.some(({ x, y }) => Math.abs(x - spot.x) < COLUMN - 20 && Math.abs(y - spot.y) < ROW - 40);
  while (isTaken()) spot.x += COLUMN;
  return spot;
}

/** Everything that follows the new step moves down as far as its nearest follower stands in the way. */
function pushDown(
  id: string,
  { y }: { y: number },
  edges: readonly { from: string; to: string }[],
  positions: Positions,
) {
  const following = new Set<string>();
  const open = [id];
  for (let current = open.pop(); current !== undefined; current = open.pop())
    for (const { from, to } of edges)
      if (from === current && !following.has(to) && to !== id) {
        following.add(to);
        open.push(to);
      }
  const nearest = Math.min(...[...following].flatMap((follower) => positions[follower]?.y ?? []));
  const shift = Math.max(0, y + ROW - nearest);
  return Object.fromEntries(
    Object.entries(positions).map(([key, spot]) => [key, following.has(key) ? { ...spot, y: spot.y + shift } : spot]),
  );
}

/** What leads to others first; steps on a circle come as they are written. */
function inOrder(ids: readonly string[], edges: readonly { from: string; to: string }[]): string[] {
  const left = new Set(ids);
  const ordered: string[] = [];
  while (left.size > 0) {
    const ready = [...left].filter((id) => !edges.some(({ from, to }) => to === id && from !== id && left.has(from)));
    for (const id of ready.length > 0 ? ready : [...left].slice(0, 1)) {
      ordered.push(id);
      left.delete(id);
    }
  }
  return ordered;
}

interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Whether all of an area of the canvas is on the screen, by what the canvas is moved and magnified. */
export function isInView(
  area: Area,
  moved: { x: number; y: number; zoom: number },
  screen: { width: number; height: number },
): boolean {
  const [left, top] = [area.x * moved.zoom + moved.x, area.y * moved.zoom + moved.y];
  const [right, bottom] = [left + area.width * moved.zoom, top + area.height * moved.zoom];
  return left >= 0 && top >= 0 && right <= screen.width && bottom <= screen.height;
}

/** Reads what a browser kept; anything that is no position is dropped. */
export function readPositions(text: string | null): Positions {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    return Object.fromEntries(entries.filter(([, spot]) => Number.isFinite(spot?.x) && Number.isFinite(spot?.y)));
  } catch {
    return {};
  }
}
