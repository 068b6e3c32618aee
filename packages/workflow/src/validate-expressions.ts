import { isRecord } from './json.ts';
import { EXPRESSION_MAX_LENGTH } from './jsonata.ts';
import { type DocumentOutline, effectiveEdges, listGraphs, type Outline, type OutlineNode } from './outline.ts';
import { joinPath, type Problem } from './problem.ts';
import { ancestorsIn } from './reachability.ts';
import { analyzeExpression, type ExpressionProblem, type LocalName, type StepReference } from './references.ts';
import { DEFAULT_ITEM_NAME } from './steps/loop-config.ts';
import { findKind } from './steps/registry.ts';
import { hasExpression, parseTemplateString } from './template.ts';
import { listStrings } from './template-tree.ts';

/**
 * What parsing the expressions of a document may cost in the process that validates: about a second. JSONata's parser
 * takes time that grows with the square of the length, up to 0.2 s for the longest expression allowed, and 0.1 ms for
 * the shortest, so each expression costs `20,000 + length * (length + 800)`.
 */
const MAX_PARSE_COST = 250_000_000;

/** What the expressions at one place may read: steps, and names that mean something only there. */
type Scope = {
  readonly known: ReadonlySet<string>;
  readonly isBefore: (id: string) => boolean;
  /** Steps whose resume URL can be named, whether they come before or not. */
  readonly waits: ReadonlySet<string>;
  readonly locals: ReadonlySet<string>;
};

/** Every problem of the expressions of a document, and every expression where none is allowed. */
export function checkExpressions(input: unknown, outline: DocumentOutline): Problem[] {
  const document = isRecord(input) ? input : {};
  if (parseCost(input) > MAX_PARSE_COST) {
    return [{ path: '', code: 'TOO_LARGE', message: 'The expressions of this document are too long together.' }];
  }
  const known = new Set(listGraphs(outline).flatMap((graph) => idsOf(graph)));
  const outside: Scope = { known, isBefore: () => false, waits: new Set(), locals: new Set() };
  const main = new Set(idsOf(outline.main));
  const afterwards: Scope = {
    known,
    isBefore: (id) => main.has(id),
    waits: new Set(waitsOf(outline.main)),
    locals: new Set(['error']),
  };
  return [
    ...refuseInKeys(document.constants, 'constants'),
    ...listStrings(document.constants, 'constants').flatMap(({ path, text }) => refuse(path, text)),
    ...checkGraph(outline.main, outside),
    ...(outline.onFailure === null ? [] : checkGraph(outline.onFailure, afterwards)),
    ...checkTree(concurrencyKey(document), 'settings.concurrency.key', outside),
  ];
}

function concurrencyKey({ settings }: Record<string, unknown>): unknown {
  return isRecord(settings) && isRecord(settings.concurrency) ? settings.concurrency.key : undefined;
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

/** `around` is what the graph sees of what is around it. */
function checkGraph(graph: Outline, around: Scope): Problem[] {
  const outer = { ...around, waits: new Set([...around.waits, ...waitsOf(graph)]) };
  const ancestors = ancestorsIn(effectiveEdges(graph));
  const output = joinPath(graph.path, 'output');
  return [
    ...graph.nodes.flatMap((node) => {
      const isBefore = (id: string) => (node.id !== null && ancestors(node.id).has(id)) || outer.isBefore(id);
      const scope = { ...outer, isBefore };
      return [...checkConfig(node, scope), ...(node.body === null ? [] : checkBody(node, node.body, scope))];
    }),
    ...refuseInKeys(graph.output, output),
    ...checkTree(graph.output, output, after(graph, outer)),
  ];
}

/** What can be read once all nodes of a graph have ended. */
function after(graph: Outline, outer: Scope): Scope {
  const own = new Set(idsOf(graph));
  const waits = new Set([...outer.waits, ...waitsOf(graph)]);
  return { ...outer, waits, isBefore: (id) => own.has(id) || outer.isBefore(id) };
}

function waitsOf(graph: Outline): string[] {
  return graph.nodes.flatMap(({ id, type }) => (type === 'wait.webhook' && id !== null ? [id] : []));
}

/** The body of a loop and, of a repeat, the condition that is asked after each turn. */
function checkBody({ path, config }: OutlineNode, body: Outline, scope: Scope): Problem[] {
  const { as, until } = isRecord(config) ? config : {};
  const item = typeof as === 'string' ? as : DEFAULT_ITEM_NAME;
  const names = [item, `${item}Index`];
  const inside = { ...scope, locals: new Set([...scope.locals, ...names]) };
  const at = joinPath(path, 'config');
  const message = `A loop around this one has the name ${JSON.stringify(item)} already; choose another with "as".`;
  const isTaken = names.some((name) => scope.locals.has(name));
  return [
    ...(isTaken ? [{ path: joinPath(at, 'as'), code: 'LOOP_NAME', message }] : []),
    ...checkGraph(body, inside),
    ...checkTree(until, joinPath(at, 'until'), after(body, inside)),
  ];
}

function checkConfig({ path, type, config, body }: OutlineNode, scope: Scope): Problem[] {
  if (!isRecord(config)) {
    return [];
  }
  const literal = new Set(type === null ? [] : findKind(type)?.literalKeys);
  const base = joinPath(path, 'config');
  const isInside = (key: string) => body !== null && (key === 'body' || key === 'until');
  return Object.entries(config).flatMap(([key, value]) => {
    if (isInside(key)) {
      return [];
    }
    const at = joinPath(base, key);
    const inValue = literal.has(key)
      ? listStrings(value, at).flatMap((located) => refuse(located.path, located.text))
      : checkTree(value, at, scope);
    return [...refuse(at, key), ...refuseInKeys(value, at), ...inValue];
  });
}

function idsOf(graph: Outline): string[] {
  return graph.nodes.flatMap((node) => node.id ?? []);
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
  const { steps, names, problems } = analyzeExpression(source);
  return [
    ...problems,
    ...steps.flatMap((reference) => checkReference(reference, scope)),
    ...names.flatMap((name) => checkName(name, scope)),
  ];
}

/** Anything unknown would silently be no value. */
function checkName({ name, isBound, ...position }: LocalName, { locals }: Scope): ExpressionProblem[] {
  if (isBound || locals.has(name)) {
    return [];
  }
  const message =
    name === 'error'
      ? '$error is only known in settings.onFailure.'
      : `$${name.slice(0, 60)} is not a known name here.`;
  return [{ code: 'UNKNOWN_NAME', message, ...position }];
}

function checkReference(reference: StepReference, scope: Scope): ExpressionProblem[] {
  const { id, isResumeUrl, outputKey: _, ...position } = reference;
  const shown = JSON.stringify(id.slice(0, 80));
  if (!scope.known.has(id)) {
    const hint = [...scope.known].some((known) => known.startsWith(`${id}-`))
      ? ' An id with a hyphen stands in backticks: $steps.`my-step`.'
      : '';
    return [{ code: 'UNKNOWN_STEP', message: `There is no step ${shown}.${hint}`, ...position }];
  }
  if (isResumeUrl) {
    const message = `Only a wait.webhook that this expression can see has a resumeUrl, and ${shown} is none.`;
    return scope.waits.has(id) ? [] : [{ code: 'NO_RESUME_URL', message, ...position }];
  }
  const message = `The step ${shown} does not come before this one.`;
  return scope.isBefore(id) ? [] : [{ code: 'STEP_NOT_BEFORE', message, ...position }];
}

/** Positions are told from the start of the whole string, where a person sees them. */
function place(problem: ExpressionProblem, path: string, offset: number): Problem {
  const { code, message, position } = problem;
  return { path, code, message: position === undefined ? message : `${message} (position ${offset + position})` };
}
