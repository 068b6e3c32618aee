import { isRecord } from './json.ts';
import { EXPRESSION_MAX_LENGTH } from './jsonata.ts';
import { effectiveEdges, type Outline, type OutlineNode, readOutline } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { ancestorsIn } from './reachability.ts';
import { analyzeExpression, type ExpressionProblem } from './references.ts';
import { findKind } from './steps/registry.ts';
import { hasExpression, parseTemplateString } from './template.ts';
import { listStrings } from './template-tree.ts';

/**
 * What parsing the expressions of a document may cost in the process that validates: about a second. JSONata's parser
 * takes time that grows with the square of the length, up to 0.2 s for the longest expression allowed, and 0.1 ms for
 * the shortest, so each expression costs `20,000 + length * (length + 800)`.
 */
const MAX_PARSE_COST = 250_000_000;

/** Which steps the expressions at one place may read. */
type Scope = { readonly known: ReadonlySet<string>; readonly isBefore: (id: string) => boolean };

/** Every problem of the expressions of a document, and every expression where none is allowed. */
export function checkExpressions(input: unknown): Problem[] {
  const outline = readOutline(input);
  const document = isRecord(input) ? input : {};
  if (parseCost(input) > MAX_PARSE_COST) {
    return [{ path: '', code: 'TOO_LARGE', message: 'The expressions of this document are too long together.' }];
  }
  const known = new Set(outline.nodes.flatMap((node) => node.id ?? []));
  return [
    ...refuseInKeys(document.constants, 'constants'),
    ...listStrings(document.constants, 'constants').flatMap(({ path, text }) => refuse(path, text)),
    ...checkNodes(outline, known),
    ...refuseInKeys(document.output, 'output'),
    ...checkTree(document.output, 'output', { known, isBefore: () => true }),
  ];
}

function parseCost(input: unknown): number {
  const parts = listStrings(input, '').flatMap(({ text }) =>
    hasExpression(text) ? parseTemplateString(text).parts : [],
  );
  return parts.reduce((sum, part) => {
    if (part.type === 'text' || part.source.length > EXPRESSION_MAX_LENGTH) {
      return sum;
    }
    return sum + 20_000 + part.source.length * (part.source.length + 800);
  }, 0);
}

function checkNodes(outline: Outline, known: ReadonlySet<string>): Problem[] {
  const ancestors = ancestorsIn(effectiveEdges(outline));
  return outline.nodes.flatMap((node) => {
    const isBefore = (id: string) => node.id !== null && ancestors(node.id).has(id);
    return checkConfig(node, { known, isBefore });
  });
}

function checkConfig({ path, type, config }: OutlineNode, scope: Scope): Problem[] {
  if (!isRecord(config)) {
    return [];
  }
  const literal = new Set(type === null ? [] : findKind(type)?.literalKeys);
  const base = joinPath(path, 'config');
  const inValues = Object.entries(config).flatMap(([key, value]) => {
    const at = joinPath(base, key);
    return literal.has(key)
      ? listStrings(value, at).flatMap((located) => refuse(located.path, located.text))
      : checkTree(value, at, scope);
  });
  return [...refuseInKeys(config, base), ...inValues];
}

/** Keys are never evaluated, so an expression in one is a mistake. */
function refuseInKeys(tree: unknown, path: string): Problem[] {
  if (Array.isArray(tree)) {
    return tree.flatMap((item, index) => refuseInKeys(item, joinPath(path, index)));
  }
  if (!isRecord(tree)) {
    return [];
  }
  return Object.entries(tree).flatMap(([key, item]) => {
    const at = joinPath(path, key);
    return [...refuse(at, key), ...refuseInKeys(item, at)];
  });
}

function refuse(path: string, text: string): Problem[] {
  const message = 'Expressions are not allowed here.';
  return hasExpression(text) ? [{ path, code: 'EXPRESSION_NOT_ALLOWED', message }] : [];
}

function checkTree(tree: unknown, path: string, scope: Scope): Problem[] {
  return listStrings(tree, path).flatMap((located) => checkString(located.path, located.text, scope));
}

function checkString(path: string, text: string, scope: Scope): Problem[] {
  const { parts, unclosedAt } = parseTemplateString(text);
  const problems: Problem[] = [];
  if (unclosedAt !== null) {
    const message = `The {% at position ${unclosedAt} is never closed by %}.`;
    problems.push({ path, code: 'EXPRESSION_SYNTAX', message });
  }
  for (const part of parts) {
    if (part.type === 'expression') {
      problems.push(...checkSource(part.source, scope).map((problem) => place(problem, path, part.offset)));
    }
  }
  return problems;
}

function checkSource(source: string, scope: Scope): ExpressionProblem[] {
  if (source.length > EXPRESSION_MAX_LENGTH) {
    const message = `An expression has at most ${EXPRESSION_MAX_LENGTH} characters.`;
    return [{ code: 'EXPRESSION_TOO_LONG', message }];
  }
  const { steps, problems } = analyzeExpression(source);
  return [...problems, ...steps.flatMap((reference) => checkReference(reference, scope))];
}

function checkReference(
  reference: { readonly id: string; readonly position?: number },
  scope: Scope,
): ExpressionProblem[] {
  const { id, ...position } = reference;
  const shown = JSON.stringify(id.slice(0, 80));
  if (!scope.known.has(id)) {
    const hint = [...scope.known].some((known) => known.startsWith(`${id}-`))
      ? ' An id with a hyphen stands in backticks: $steps.`my-step`.'
      : '';
    return [{ code: 'UNKNOWN_STEP', message: `There is no step ${shown}.${hint}`, ...position }];
  }
  const message = `The step ${shown} does not come before this one.`;
  return scope.isBefore(id) ? [] : [{ code: 'STEP_NOT_BEFORE', message, ...position }];
}

/** Positions are told from the start of the whole string, where a person sees them. */
function place(problem: ExpressionProblem, path: string, offset: number): Problem {
  const { code, message, position } = problem;
  return { path, code, message: position === undefined ? message : `${message} (position ${offset + position})` };
}
