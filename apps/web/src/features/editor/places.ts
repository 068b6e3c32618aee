import { type Document, graphAt, graphOf, type Place } from '@millrace/workflow/edit';
import { listGraphs, type OutlineNode, readOutline } from '@millrace/workflow/outline';

export interface Crumb {
  readonly label: string;
  readonly place: Place;
}

const RUN: Crumb = { label: 'Workflow', place: { in: 'run' } };
const ON_FAILURE: Crumb = { label: 'After a failure', place: { in: 'onFailure' } };

/** The way from the run, or from what runs after a failure, into the body of a loop. */
export function crumbsTo(document: Document, place: Place): Crumb[] {
  if (place.in !== 'loop') return [place.in === 'run' ? RUN : ON_FAILURE];
  const around = placeOf(document, place.loopId);
  const loop = graphOf(document, place.loopId)?.nodes.find(({ id }) => id === place.loopId);
  return [...(around ? crumbsTo(document, around) : [RUN]), { label: nameOf(loop) ?? place.loopId, place }];
}

/** The place that holds the step of that id. */
export function placeOf(document: Document, id: string): Place | null {
  const path = graphOf(document, id)?.path;
  return path === undefined ? null : placeAt(document, path);
}

/** The place whose graph stands at a path of the document. */
export function placeAt(document: Document, path: string): Place | null {
  if (path === '') return { in: 'run' };
  if (path === 'settings.onFailure') return { in: 'onFailure' };
  const nodes = listGraphs(readOutline(document)).flatMap((graph) => graph.nodes);
  const loop = nodes.find(({ body }) => body?.path === path);
  return loop?.id ? { in: 'loop', loopId: loop.id } : null;
}

/** The nearest place that is still there: undoing may take the loop away that somebody looks into. */
export function placeStill(document: Document, place: Place): Place {
  return place.in === 'onFailure' || graphAt(document, place) ? place : { in: 'run' };
}

export function nameOf(node: OutlineNode | undefined): string | null {
  const name = node?.given.name;
  return typeof name === 'string' && name !== '' ? name : (node?.id ?? null);
}

export function placeKey(place: Place): string {
  return place.in === 'loop' ? `loop ${place.loopId}` : place.in;
}
