import type { z } from 'zod';
import { checkBounds } from './bounds.ts';
import { MAX_EDGES, MAX_NODES, WorkflowDefinition } from './definition.ts';
import { isRecord } from './json.ts';
import { readOutline } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { findKind, isLaterKind } from './steps/registry.ts';
import { isLaterTrigger } from './triggers/registry.ts';
import { checkExpressions } from './validate-expressions.ts';
import { checkGraph } from './validate-graph.ts';

export type Validation =
  | { readonly ok: true; readonly definition: WorkflowDefinition }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Keys of the full language that this version refuses by name, by the shape of their path. */
const LATER_KEYS = [/^settings$/, /^nodes\[\d+\]\.(connection|runsOn)$/];
/** A hostile document of 1 MiB can have 100,000 problems; no person reads more than this. */
const MAX_PROBLEMS = 1000;

/**
 * Decides whether a document can be published, and names every reason why not in one go. Accepts any value, never
 * throws. A document too deep or too large to be checked gets only that problem; past 1,000 problems the rest is counted.
 */
export function validateDefinition(input: unknown): Validation {
  const bounds = checkBounds(input);
  if (!bounds.fits) {
    return { ok: false, problems: bounds.problems };
  }
  const oversized = checkCounts(input);
  if (oversized.length > 0) {
    return { ok: false, problems: [...bounds.problems, ...oversized] };
  }
  const parsed = WorkflowDefinition.safeParse(input);
  const expressionProblems = checkExpressions(input);
  const misplaced = new Set(expressionProblems.map((problem) => problem.path));
  const shapeProblems = [...issuesOf(parsed, '', input), ...checkKinds(input)];
  const problems = [
    ...bounds.problems,
    ...shapeProblems.filter((problem) => problem.code !== 'INVALID_VALUE' || !misplaced.has(problem.path)),
    ...checkGraph(readOutline(input)),
    ...expressionProblems,
  ];
  if (problems.length > 0 || !parsed.success) {
    return { ok: false, problems: limit(problems) };
  }
  return { ok: true, definition: parsed.data };
}

/** Checking a graph of any size would take too long, so one that is too large gets only this problem. */
function checkCounts(input: unknown): Problem[] {
  const document = isRecord(input) ? input : {};
  const limits = [['nodes', MAX_NODES] as const, ['edges', MAX_EDGES] as const];
  return limits.flatMap(([key, most]) => {
    const list = document[key];
    const message = `A document has at most ${most} ${key}.`;
    return Array.isArray(list) && list.length > most ? [{ path: key, code: 'TOO_LARGE', message }] : [];
  });
}

function limit(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) {
    return problems;
  }
  const message = `Only the first ${MAX_PROBLEMS} of ${problems.length} problems are listed.`;
  return [...problems.slice(0, MAX_PROBLEMS), { path: '', code: 'MORE_PROBLEMS', message }];
}

function checkKinds(input: unknown): Problem[] {
  return readOutline(input).nodes.flatMap(({ path, type, config }) => {
    const kind = type === null ? undefined : findKind(type);
    if (kind !== undefined) {
      return isRecord(config) ? issuesOf(kind.config.safeParse(config), joinPath(path, 'config'), config) : [];
    }
    return type === null ? [] : [unknownKind(joinPath(path, 'type'), type)];
  });
}

function unknownKind(path: string, type: string): Problem {
  const shown = JSON.stringify(type.slice(0, 80));
  return isLaterKind(type)
    ? { path, code: 'UNSUPPORTED', message: `Nodes of type ${shown} are not supported yet.` }
    : { path, code: 'UNKNOWN_TYPE', message: `There is no node of type ${shown}.` };
}

function issuesOf(result: z.ZodSafeParseResult<unknown>, base: string, input: unknown): Problem[] {
  return (result.error?.issues ?? []).flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const keys = issue.keys.filter((key) => key !== '__proto__');
      return keys.map((key) => unknownKey(joinPath(base, ...issue.path, key)));
    }
    return [toProblem(joinPath(base, ...issue.path), issue, valueAt(input, issue.path))];
  });
}

function unknownKey(path: string): Problem {
  return LATER_KEYS.some((pattern) => pattern.test(path))
    ? { path, code: 'UNSUPPORTED', message: 'This key is not supported yet.' }
    : { path, code: 'UNKNOWN_KEY', message: 'This key is not known here.' };
}

function toProblem(path: string, issue: z.core.$ZodIssue, value: unknown): Problem {
  if (value === undefined) {
    return { path, code: 'REQUIRED', message: 'This is required.' };
  }
  if (isLaterValue(path, value)) {
    return { path, code: 'UNSUPPORTED', message: `${JSON.stringify(value)} is not supported yet.` };
  }
  const code = issue.code === 'custom' ? issue.params?.code : undefined;
  return { path, code: typeof code === 'string' ? code : 'INVALID_VALUE', message: issue.message };
}

/** Values of the full language that this version refuses by name. */
function isLaterValue(path: string, value: unknown): boolean {
  if (path === 'trigger.type') return typeof value === 'string' && isLaterTrigger(value);
  return value === 'none' && path.endsWith('.idempotency');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? Reflect.get(value, key)
      : undefined;
  }, input);
}
