import type { ExpressionBindings } from './expression.ts';
import { analyzeExpression } from './references.ts';
import { type LocatedExpression, listExpressions } from './template-tree.ts';

/**
 * What expressions read. `reads` are ids of nodes (see `stepKeyFor`), `resumes` those of them whose resume URL is read, `locals`
 * the names they use of the loops around them and `error`: what `ExpressionBindings.locals` must hold.
 */
export type Reads = {
  readonly reads: readonly string[];
  readonly resumes: readonly string[];
  readonly readsVars: boolean;
  readonly locals: readonly string[];
  readonly readsTrigger: boolean;
  readonly readsConstants: boolean;
};

/** A tree with expressions, what they read, and whether this process may evaluate them. */
export type PlannedTree = Reads & {
  readonly tree: unknown;
  readonly isPlain: boolean;
  /** What those that are not plain read: only this is sent to the process that evaluates them, and has a limit. */
  readonly outside: Reads;
};

/** `names` are the local names that stand for something at that place of the document. */
export function planTree(tree: unknown, names: readonly string[]): PlannedTree {
  const expressions = listExpressions(tree, '');
  const others = expressions.filter(({ plain }) => plain === null);
  return { tree, isPlain: others.length === 0, ...readsOf(expressions, names), outside: readsOf(others, names) };
}

/** Of these bindings, what is read. */
export function narrow(bindings: ExpressionBindings, reads: Reads): ExpressionBindings {
  const { trigger, vars, locals = {} } = bindings;
  return {
    run: bindings.run,
    trigger: reads.readsTrigger ? trigger : { ...trigger, input: null },
    constants: reads.readsConstants ? bindings.constants : {},
    ...(reads.readsVars && vars && { vars }),
    steps: pick(bindings.steps, reads.reads),
    locals: pick(locals, reads.locals),
  };
}

function readsOf(expressions: readonly LocatedExpression[], names: readonly string[]): Reads {
  const found = expressions.map((expression) => analyzeExpression(expression.source));
  const used = new Set(found.flatMap((analysis) => analysis.names.map(({ name }) => name)));
  const steps = found.flatMap((analysis) => analysis.steps);
  return {
    reads: [...new Set(steps.map(({ id }) => id))],
    resumes: [...new Set(steps.flatMap(({ id, isResumeUrl }) => (isResumeUrl ? [id] : [])))],
    readsVars: found.some(({ readsVars }) => readsVars),
    locals: names.filter((name) => used.has(name)),
    readsTrigger: found.some(({ readsTrigger }) => readsTrigger),
    readsConstants: found.some(({ readsConstants }) => readsConstants),
  };
}

function pick<T>(values: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  const wanted = new Set(names);
  return Object.fromEntries(Object.entries(values).filter(([name]) => wanted.has(name)));
}
