import type { z } from 'zod';
import { checkBounds } from './bounds.ts';
import { MAX_EDGES, MAX_NODES, WorkflowDefinition } from './definition.ts';
import { isRecord } from './json.ts';
import { type DocumentOutline, listGraphs, type OutlineNode, readOutline } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { findKind, isLaterKind, isLaterPart } from './steps/registry.ts';
import { checkExpressions } from './validate-expressions.ts';
import { checkGraph, checkIds } from './validate-graph.ts';
import { checkOptions } from './validate-options.ts';

export type Validation =
  | { readonly ok: true; readonly definition: WorkflowDefinition }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * `allowLater` accepts what the language has and no host runs yet: to try it out, never to publish it. `isPublished` judges
 * a version that was published already: what only later releases refuse is no reason not to run it.
 */
export type ValidationOptions = { readonly allowLater?: boolean; readonly isPublished?: boolean };

/** Published by earlier releases: options without a meaning, and delays that fail when their step runs. */
const REFUSED_LATER = new Set(['LOOP_OPTION', 'WAIT_OPTION', 'STEP_OPTION', 'DELAY_INVALID']);

/** A hostile document of 1 MiB can have 100,000 problems; no person reads more than this. */
const MAX_PROBLEMS = 1000;

/**
 * Decides whether a document can be published, and names every reason why not in one go. Accepts any value, never
 * throws. A document too deep or too large to be checked gets only that problem; past 1,000 problems the rest is counted.
 */
export function validateDefinition(
  input: unknown,
  { allowLater = false, isPublished = false }: ValidationOptions = {},
): Validation {
  const bounds = checkBounds(input);
  if (!bounds.fits) {
    return { ok: false, problems: bounds.problems };
  }
  const outline = readOutline(input);
  const oversized = checkCounts(input, outline);
  if (oversized.length > 0) {
    return { ok: false, problems: [...bounds.problems, ...oversized] };
  }
  const parsed = WorkflowDefinition.safeParse(input);
  const found = [...bounds.problems, ...findProblems(input, outline, parsed, allowLater)];
  const later = allowLater ? [] : checkLater(input, outline);
  const counted = found.filter(({ code }) => !isPublished || !REFUSED_LATER.has(code));
  const problems = [...counted.filter(({ path }) => !later.some((part) => isWithin(path, part.path))), ...later];
  if (problems.length > 0 || !parsed.success) {
    return { ok: false, problems: limit(problems) };
  }
  return { ok: true, definition: parsed.data };
}

function findProblems(
  input: unknown,
  outline: DocumentOutline,
  parsed: z.ZodSafeParseResult<unknown>,
  allowLater: boolean,
): Problem[] {
  const expressionProblems = checkExpressions(input, outline);
  const misplaced = new Set(expressionProblems.map((problem) => problem.path));
  const graphs = listGraphs(outline);
  const nodes = graphs.flatMap((graph) => graph.nodes);
  const shapeProblems = [...issuesOf(parsed, '', input), ...nodes.flatMap((node) => checkKind(node, allowLater))];
  return [
    ...shapeProblems.filter((problem) => problem.code !== 'INVALID_VALUE' || !misplaced.has(problem.path)),
    ...checkIds(nodes),
    ...graphs.flatMap(checkGraph),
    ...checkOptions(outline),
    ...expressionProblems,
  ];
}

/** Checking a graph of any size would take too long, so a document that is too large gets only this problem. */
function checkCounts(input: unknown, outline: DocumentOutline): Problem[] {
  const graphs = listGraphs(outline);
  const limits = [['nodes', MAX_NODES] as const, ['edges', MAX_EDGES] as const];
  return limits.flatMap(([key, most]) => {
    const raw = isRecord(input) ? input[key] : undefined;
    const written = graphs.reduce((sum, graph) => sum + (graph[key]?.length ?? 0), 0);
    const count = Math.max(written, Array.isArray(raw) ? raw.length : 0);
    const message = `A document has at most ${most} ${key}.`;
    return count > most ? [{ path: key, code: 'TOO_LARGE', message }] : [];
  });
}

function limit(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) {
    return problems;
  }
  const message = `Only the first ${MAX_PROBLEMS} of ${problems.length} problems are listed.`;
  return [...problems.slice(0, MAX_PROBLEMS), { path: '', code: 'MORE_PROBLEMS', message }];
}

function checkKind({ path, type, config }: OutlineNode, allowLater: boolean): Problem[] {
  if (type === null) {
    return [];
  }
  const kind = findKind(type);
  if (kind === undefined || (isLaterKind(type) && !allowLater)) {
    return [unknownKind(joinPath(path, 'type'), type)];
  }
  const problems = isRecord(config) ? issuesOf(kind.config.safeParse(config), joinPath(path, 'config'), config) : [];
  const { invalidCode } = kind;
  return problems.map((it) =>
    it.code === 'INVALID_VALUE' && invalidCode !== undefined ? { ...it, code: invalidCode } : it,
  );
}

function unknownKind(path: string, type: string): Problem {
  const shown = JSON.stringify(type.slice(0, 80));
  return isLaterKind(type)
    ? { path, code: 'UNSUPPORTED', message: `Nodes of type ${shown} are not supported yet.` }
    : { path, code: 'UNKNOWN_TYPE', message: `There is no node of type ${shown}.` };
}

/** Parts that the shape of a document knows already. Whatever else is wrong with them does not matter. */
function checkLater(input: unknown, outline: DocumentOutline): Problem[] {
  const settings = isRecord(input) && isRecord(input.settings) ? Object.keys(input.settings) : [];
  const nodes = listGraphs(outline).flatMap((graph) => graph.nodes);
  const parts = [
    ...settings.map((key) => ({ path: joinPath('settings', key), shown: joinPath('settings', key) })),
    ...nodes.flatMap(({ path, given }) => {
      const at = joinPath(path, 'idempotency');
      return typeof given.idempotency === 'string' ? [{ path: at, shown: `${at}=${given.idempotency}` }] : [];
    }),
  ];
  return parts.flatMap(({ path, shown }) => (isLaterPart(shown) ? [unsupported(path)] : []));
}

function isWithin(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}.`) || path.startsWith(`${part}[`);
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
  return isLaterPart(path) ? unsupported(path) : { path, code: 'UNKNOWN_KEY', message: 'This key is not known here.' };
}

function unsupported(path: string): Problem {
  return { path, code: 'UNSUPPORTED', message: 'This is not supported yet.' };
}

function toProblem(path: string, issue: z.core.$ZodIssue, value: unknown): Problem {
  if (value === undefined) {
    return { path, code: 'REQUIRED', message: 'This is required.' };
  }
  if (typeof value === 'string' && isLaterPart(`${path}=${value.slice(0, 80)}`)) {
    return unsupported(path);
  }
  const code = issue.code === 'custom' ? issue.params?.code : undefined;
  return { path, code: typeof code === 'string' ? code : 'INVALID_VALUE', message: issue.message };
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? Reflect.get(value, key)
      : undefined;
  }, input);
}
