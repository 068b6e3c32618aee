import type { CanvasEdge, CanvasNode } from '../editor/canvas.ts';
import { TRIGGER } from '../editor/session.ts';
import { passagesOf, type RunOfGraph, sayState, statesOfNodes } from './node-states.ts';

interface Drawn {
  nodes: CanvasNode[];
  edges: CanvasEdge[];
}

/** The canvas of a graph with what a run made of it. */
export function showStates({ nodes, edges }: Drawn, run: RunOfGraph): Drawn {
  const states = statesOfNodes(run);
  const passages = passagesOf(run);
  const fromTrigger = run.steps.length > 0 ? 'taken' : 'open';
  return {
    nodes: nodes.map((node) => {
      const state = states.get(node.id);
      if (!state) return node;
      return { ...node, data: { ...node.data, state }, ariaLabel: `${node.ariaLabel}: ${sayState(state)}` };
    }),
    edges: edges.map((edge) => {
      const passage = edge.source === TRIGGER ? fromTrigger : (passages.get(edge.id) ?? 'open');
      const said = { open: '', taken: ', taken', untaken: ', not taken' }[passage];
      const data = { isFaulty: false, isImplied: edge.data?.isImplied ?? false, passage };
      return { ...edge, data, ariaLabel: `${edge.ariaLabel}${said}` };
    }),
  };
}
