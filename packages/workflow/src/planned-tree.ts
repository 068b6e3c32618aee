import { isPlain } from './expression.ts';
import { analyzeExpression } from './references.ts';
import { listExpressions } from './template-tree.ts';

/**
 * A tree with expressions, what they read, and whether this process may evaluate them. `reads` are ids of nodes (see
 * `stepKeyFor`), `resumes` those of them whose resume URL is read, `locals` the names they use of the loops around them and `error`: what `ExpressionBindings.locals` must hold.
 */
export type PlannedTree = {
  readonly tree: unknown;
  readonly reads: readonly string[];
  readonly resumes: readonly string[];
  readonly readsVars: boolean;
  readonly locals: readonly string[];
  readonly isPlain: boolean;
  /** What nobody reads is not sent to the process that evaluates, and does not count against what it takes. */
  readonly readsTrigger: boolean;
  readonly readsConstants: boolean;
};

/** `names` are the local names that stand for something at that place of the document. */
export function planTree(tree: unknown, names: readonly string[]): PlannedTree {
  const found = listExpressions(tree, '').map((expression) => analyzeExpression(expression.source));
  const used = new Set(found.flatMap((analysis) => analysis.names.map(({ name }) => name)));
  const steps = found.flatMap((analysis) => analysis.steps);
  return {
    tree,
    reads: [...new Set(steps.map(({ id }) => id))],
    resumes: [...new Set(steps.flatMap(({ id, isResumeUrl }) => (isResumeUrl ? [id] : [])))],
    readsVars: found.some(({ readsVars }) => readsVars),
    locals: names.filter((name) => used.has(name)),
    isPlain: isPlain(tree),
    readsTrigger: found.some(({ readsTrigger }) => readsTrigger),
    readsConstants: found.some(({ readsConstants }) => readsConstants),
  };
}
