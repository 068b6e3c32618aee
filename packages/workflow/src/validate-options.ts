import { isRecord } from './json.ts';
import { type DocumentOutline, listGraphs, type Outline, type OutlineNode } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { ON_FAILURE } from './step-keys.ts';
import type { StepKind } from './steps/kind.ts';
import { MAX_ITERATIONS } from './steps/loop-config.ts';
import { unusedOptions } from './steps/options.ts';
import { findKind } from './steps/registry.ts';

/**
 * Most steps that may be open at a time, all iterations counted. They are the size of what is written after every
 * event, and loops in loops multiply: five levels of 100 at a time would be ten thousand million.
 */
const MAX_OPEN_STEPS = 10_000;

/** Characters that the key of a step may have where it is stored, and that the index of an iteration may add to it. */
const MAX_KEY_LENGTH = 1000;
const LONGEST_INDEX = `.${MAX_ITERATIONS - 1}.`.length;

/**
 * Every option of a node that its kind would silently ignore, more iterations at a time than a run can carry, and keys of
 * steps that are too long.
 */
export function checkOptions(outline: DocumentOutline): Problem[] {
  const nodes = listGraphs(outline).flatMap((graph) => graph.nodes);
  const open = [outline.main, outline.onFailure].map((graph) => (graph === null ? 0 : openSteps(graph)));
  const message = `With this concurrency more than ${MAX_OPEN_STEPS} steps could be open at a time.`;
  return [
    ...nodes.flatMap(checkNode),
    ...(Math.max(...open) > MAX_OPEN_STEPS ? [{ path: '', code: 'TOO_LARGE', message }] : []),
    ...checkKeys(outline.main, 0),
    ...(outline.onFailure === null ? [] : checkKeys(outline.onFailure, `${ON_FAILURE}.`.length)),
  ];
}

/** `before` is the length of what stands in a step's key before the id of its node. */
function checkKeys({ nodes }: Outline, before: number): Problem[] {
  return nodes.flatMap(({ path, id, body }) => {
    const length = before + (id?.length ?? 0);
    if (length > MAX_KEY_LENGTH) {
      const message = `The key of this step has more than ${MAX_KEY_LENGTH} characters; give the loops around it shorter ids.`;
      return [{ path: joinPath(path, 'id'), code: 'TOO_LARGE', message }];
    }
    return body === null ? [] : checkKeys(body, length + LONGEST_INDEX);
  });
}

function checkNode({ path, type, given }: OutlineNode): Problem[] {
  const kind = findKind(type ?? '');
  if (kind === undefined) {
    return [];
  }
  const written = unusedOptions(kind).filter((key) => Object.hasOwn(given, key));
  return written.map((key) => ({ path: joinPath(path, key), ...refusalOf(kind) }));
}

function refusalOf(kind: StepKind): { code: string; message: string } {
  if (kind.loop !== undefined) {
    return { code: 'LOOP_OPTION', message: 'This belongs to the nodes of the body, not to the loop.' };
  }
  return kind.wait === undefined
    ? { code: 'STEP_OPTION', message: 'This is about calls to the outside, and a step of this kind makes none.' }
    : { code: 'WAIT_OPTION', message: 'This is about attempts; how long a wait may last stands in its config.' };
}

function openSteps({ nodes }: Outline): number {
  return nodes.reduce((sum, { body, config }) => sum + 1 + (body === null ? 0 : atATime(config) * openSteps(body)), 0);
}

function atATime(config: unknown): number {
  const concurrency = isRecord(config) ? config.concurrency : undefined;
  return typeof concurrency === 'number' && concurrency > 1 ? concurrency : 1;
}
