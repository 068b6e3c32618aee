import type { Outline } from '@millrace/workflow/outline';
import type { ElkNode } from 'elkjs/lib/elk-api';
import {
  COLUMN,
  NODE_HEIGHT,
  NODE_WIDTH,
  type Positions,
  placeMissing,
  ROW,
  visibleEdges,
  visibleIds,
} from './positions.ts';

/** A graph as the layout engine takes it: in layers from top to bottom, branches in their written order. */
export function toElkGraph(graph: Outline): ElkNode {
  return {
    id: 'graph',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'DOWN',
      'elk.spacing.nodeNode': String(COLUMN - NODE_WIDTH),
      'elk.layered.spacing.nodeNodeBetweenLayers': String(ROW - NODE_HEIGHT),
      'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
      'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
      'elk.layered.nodePlacement.bk.fixedAlignment': 'BALANCED',
    },
    children: visibleIds(graph).map((id) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: visibleEdges(graph).map(({ from, to }, index) => ({ id: `edge ${index}`, sources: [from], targets: [to] })),
  };
}

/** Positions for a whole graph. The engine is large and comes when it is needed first; without it steps stand in rows. */
export async function layOut(graph: Outline): Promise<Positions> {
  try {
    const { default: Elk } = await import('elkjs/lib/elk.bundled.js');
    const { children = [] } = await new Elk().layout(toElkGraph(graph));
    return Object.fromEntries(children.map(({ id, x = 0, y = 0 }) => [id, { x: Math.round(x), y: Math.round(y) }]));
  } catch {
    return placeMissing(graph, {});
  }
}
