import { type Document, graphAt } from '@millrace/workflow/edit';
import { mainBranch, type Spot } from '@millrace/workflow/edit-steps';
import { effectiveEdges, type Outline, type OutlineNode } from '@millrace/workflow/outline';
import { handlesOf } from './canvas.ts';
import { firstSteps } from './positions.ts';
import { edgeOfKey, type Session, TRIGGER } from './session.ts';

/** Where a step goes that is added without saying where: after or onto what is selected, or after the only loose end. */
export function spotFor(document: Document, { place, nodes, edges }: Pick<Session, 'place' | 'nodes' | 'edges'>): Spot {
  const graph = graphAt(document, place);
  if (!graph) return { at: 'loose' };
  const [edge] = edges;
  const selected = graph.nodes.find(({ id }) => id === nodes[0]);
  if (edge && nodes.length === 0) return { at: 'edge', edge: edgeOfKey(edge) };
  if (selected && nodes.length === 1) return after(selected, graph);
  const [first] = firstSteps(graph);
  if (nodes[0] === TRIGGER && first !== undefined) return { at: 'start', to: first };
  const ends = graph.nodes.filter(({ id }) => !effectiveEdges(graph).some(({ from }) => from === id));
  const [end] = ends;
  return end && ends.length === 1 ? after(end, graph) : { at: 'loose' };
}

/** By the first branch that leads nowhere yet, else side by side with what follows. */
function after(node: OutlineNode, graph: Outline): Spot {
  const used = new Set(effectiveEdges(graph).flatMap((edge) => (edge.from === node.id ? [edge.branch] : [])));
  const free = handlesOf(node, graph).find((branch) => !used.has(branch) && branch !== 'error' && branch !== 'timeout');
  const branch = free === undefined ? mainBranch(node.type ?? '', node.config) : free;
  return { at: 'after', from: node.id ?? '', ...(branch === null ? {} : { branch }) };
}

/** The spot of the "+" on an edge; that of an edge out of the trigger is before what it leads to. */
export function spotOnEdge(key: string): Spot {
  const edge = edgeOfKey(key);
  return edge.from === TRIGGER ? { at: 'start', to: edge.to } : { at: 'edge', edge };
}

export function saySpot(spot: Spot): string {
  switch (spot.at) {
    case 'after':
      return `Add a step after ${spot.from}${spot.branch ? `, branch ${spot.branch}` : ''}`;
    case 'edge':
      return `Add a step between ${spot.edge.from} and ${spot.edge.to}`;
    case 'start':
      return `Add a step before ${spot.to}`;
    case 'loose':
      return 'Add a step';
  }
}
