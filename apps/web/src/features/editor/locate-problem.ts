import { type Document, graphAt, type Place } from '@millrace/workflow/edit';
import { effectiveEdges, listGraphs, type OutlineNode, readOutline } from '@millrace/workflow/outline';
import type { Problem } from '@millrace/workflow/problem';
import { placeAt } from './places.ts';
import { edgeKey, TRIGGER } from './session.ts';

/** Where a problem is on the canvas. `field`: the key of the config, or the option of the step, that it is about. */
export interface ProblemSpot {
  readonly place: Place;
  readonly node: string | null;
  readonly edge: string | null;
  readonly field: string | null;
}

export function locateProblem(document: Document, { path }: Problem): ProblemSpot {
  const graphs = listGraphs(readOutline(document));
  const nodes = graphs.flatMap((graph) => graph.nodes.map((node) => ({ graph, node })));
  const inside = nodes.filter(({ node }) => isWithin(path, node.path));
  const deepest = inside.toSorted((one, other) => other.node.path.length - one.node.path.length)[0];
  const edges = graphs.flatMap((graph) => effectiveEdges(graph).map((edge) => ({ graph, edge })));
  const edge = edges.find((candidate) => candidate.graph.edges !== null && isWithin(path, candidate.edge.path));
  if (edge) {
    const place = placeAt(document, edge.graph.path) ?? { in: 'run' };
    return { place, node: null, edge: edgeKey(edge.edge), field: null };
  }
  if (deepest) {
    const place = placeAt(document, deepest.graph.path) ?? { in: 'run' };
    return { place, node: deepest.node.id, edge: null, field: fieldIn(path, deepest.node) };
  }
  const isTrigger = isWithin(path, 'trigger');
  const place: Place = isWithin(path, 'settings.onFailure') ? { in: 'onFailure' } : { in: 'run' };
  return {
    place,
    node: isTrigger ? TRIGGER : null,
    edge: null,
    field: isTrigger ? keyAfter(path, 'trigger.config') : null,
  };
}

/** How many problems each step has, those in the body of a loop counted for the loop as well. */
export function countProblems(document: Document, place: Place, problems: readonly Problem[]): Map<string, number> {
  const graph = graphAt(document, place);
  const counts = new Map<string, number>();
  const add = (id: string) => counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const { path } of problems) {
    const node = graph?.nodes.find((candidate) => isWithin(path, candidate.path));
    if (node?.id) add(node.id);
    if (isWithin(path, 'trigger')) add(TRIGGER);
  }
  return counts;
}

/** The edges of a place that have a problem. */
export function faultyEdges(document: Document, place: Place, problems: readonly Problem[]): Set<string> {
  const graph = graphAt(document, place);
  const edges = graph?.edges ?? [];
  return new Set(edges.filter((edge) => problems.some(({ path }) => isWithin(path, edge.path))).map(edgeKey));
}

/** What is wrong with one field of a step or of the trigger. */
export function problemsOfField(problems: readonly Problem[], path: string): string | undefined {
  return problems.find((problem) => isWithin(problem.path, path))?.message;
}

function fieldIn(path: string, node: OutlineNode): string | null {
  return keyAfter(path, `${node.path}.config`) ?? keyAfter(path, node.path);
}

function keyAfter(path: string, base: string): string | null {
  if (!path.startsWith(`${base}.`)) return null;
  return /^[\w$-]+/.exec(path.slice(base.length + 1))?.[0] ?? null;
}

function isWithin(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}.`) || path.startsWith(`${part}[`);
}
