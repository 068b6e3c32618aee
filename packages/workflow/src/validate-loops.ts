import { isRecord } from './json.ts';
import { type DocumentOutline, listGraphs, type Outline, type OutlineNode } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';

/**
 * Most steps that may be open at a time, all iterations counted. They are the size of what is written after every
 * event, and loops in loops multiply: five levels of 100 at a time would be ten thousand million.
 */
const MAX_OPEN_STEPS = 10_000;

/** What belongs to the nodes of a body and means nothing on the loop itself. */
const BODY_OPTIONS = ['retry', 'timeoutMs', 'idempotency'];

/** Every problem of loops: options that stand in the wrong place, and more iterations at a time than a run can carry. */
export function checkLoops(outline: DocumentOutline): Problem[] {
  const loops = listGraphs(outline).flatMap((graph) => graph.nodes.filter(({ body }) => body !== null));
  const open = [outline.main, outline.onFailure].map((graph) => (graph === null ? 0 : openSteps(graph)));
  const message = `With this concurrency more than ${MAX_OPEN_STEPS} steps could be open at a time.`;
  return [
    ...loops.flatMap(checkOptions),
    ...(Math.max(...open) > MAX_OPEN_STEPS ? [{ path: '', code: 'TOO_LARGE', message }] : []),
  ];
}

function checkOptions({ path, given }: OutlineNode): Problem[] {
  const message = 'This belongs to the nodes of the body, not to the loop.';
  return BODY_OPTIONS.filter((key) => Object.hasOwn(given, key)).map((key) => ({
    path: joinPath(path, key),
    code: 'LOOP_OPTION',
    message,
  }));
}

function openSteps({ nodes }: Outline): number {
  return nodes.reduce((sum, { body, config }) => sum + 1 + (body === null ? 0 : atATime(config) * openSteps(body)), 0);
}

function atATime(config: unknown): number {
  const concurrency = isRecord(config) ? config.concurrency : undefined;
  return typeof concurrency === 'number' && concurrency > 1 ? concurrency : 1;
}
