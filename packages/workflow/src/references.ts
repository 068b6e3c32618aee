import { ExpressionFault } from './expression-fault.ts';
import { isRecord } from './json.ts';
import { parseExpression } from './jsonata.ts';
import { JSONATA_FUNCTIONS } from './jsonata-functions.ts';
import { ROOT_NAMES } from './names.ts';
import { rememberRecent } from './recent.ts';
import { compileLinear } from './regex-engine.ts';

/** Something wrong in one expression; `position` is an offset in its source. */
export type ExpressionProblem = { readonly code: string; readonly message: string; readonly position?: number };

/**
 * `$steps.<id>`. Of `$steps.<id>.resumeUrl` nothing is read that the step has to give first. `outputKey` is the name that
 * follows in `$steps.<id>.output.<name>`. Positions are where a name ends.
 */
export type StepReference = {
  readonly id: string;
  readonly isResumeUrl?: true;
  readonly outputKey?: { readonly name: string; readonly position?: number };
  readonly position?: number;
};

export type ExpressionAnalysis = {
  /** The steps the expression reads, in written order; an id may appear more than once. */
  readonly steps: readonly StepReference[];
  /** Whether it reads the organization's variables, `$vars`. */
  readonly readsVars: boolean;
  /**
   * Names that mean something only in some places, such as `$item` in a loop. `isBound` when the expression gives the
   * name a meaning of its own somewhere: then it may or may not be the one of the place.
   */
  readonly names: readonly LocalName[];
  readonly problems: readonly ExpressionProblem[];
  /** Whether it reads what started the run, `$trigger`, and the constants of the document. */
  readonly readsTrigger: boolean;
  readonly readsConstants: boolean;
};

export type LocalName = { readonly name: string; readonly isBound: boolean; readonly position?: number };

/** What an expression reads and what is wrong with it, found without evaluating it. Never throws. */
export const analyzeExpression: (source: string) => ExpressionAnalysis = rememberRecent(1000, analyze);

type Node = Record<string, unknown>;
type Found = { steps: StepReference[]; names: LocalName[]; problems: ExpressionProblem[] };

function analyze(source: string): ExpressionAnalysis {
  try {
    const nodes = listNodes(parseExpression(source));
    const stepsNodes = new Set<unknown>();
    const found: Found = { steps: [], names: [], problems: [] };
    for (const node of nodes) {
      collectStepReference(node, stepsNodes, found);
    }
    const bound = new Set(nodes.flatMap(namesBoundBy));
    const called = new Set(nodes.filter((node) => node.type === 'function').map((node) => node.procedure));
    for (const node of nodes) {
      checkNode(node, { bound, isStepPath: stepsNodes.has(node), isCalled: called.has(node) }, found);
    }
    const reads = (name: string) => nodes.some((node) => isVariable(node, name));
    return {
      ...{ steps: unique(found.steps), names: unique(found.names), problems: unique(found.problems) },
      ...{ readsVars: reads('vars'), readsTrigger: reads('trigger'), readsConstants: reads('constants') },
    };
  } catch (error) {
    const none = { readsVars: false, readsTrigger: false, readsConstants: false };
    return { steps: [], ...none, names: [], problems: [asProblem(error)] };
  }
}

/** Every object of the tree once, without recursion. JSONata shares and nests nodes under many names. */
function listNodes(tree: unknown): Node[] {
  const seen = new Set<unknown>();
  const nodes: Node[] = [];
  const stack = [tree];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== 'object' || value === null || value instanceof RegExp || seen.has(value)) {
      continue;
    }
    seen.add(value);
    if (isRecord(value)) {
      nodes.push(value);
    }
    stack.push(...Object.values(value).reverse());
  }
  return nodes;
}

function collectStepReference(node: Node, stepsNodes: Set<unknown>, found: Found): void {
  if (node.type !== 'path' || !Array.isArray(node.steps)) {
    return;
  }
  const [root, id, field, key]: unknown[] = node.steps;
  if (!isRecord(root) || !isVariable(root, 'steps') || !isRecord(id) || id.type !== 'name') {
    return;
  }
  const isBare = ['predicate', 'stages', 'group', 'focus', 'index'].every((key) => root[key] === undefined);
  if (isBare && typeof id.value === 'string') {
    stepsNodes.add(root);
    const isResumeUrl = isRecord(field) && field.type === 'name' && field.value === 'resumeUrl';
    found.steps.push({
      id: id.value,
      ...(isResumeUrl && { isResumeUrl }),
      ...outputKeyOf(field, key),
      ...positionOf(id),
    });
  }
}

/** With a focus (`output@$o`) the name that follows is not looked up in the output. */
function outputKeyOf(field: unknown, key: unknown): Pick<StepReference, 'outputKey'> {
  if (!isRecord(field) || field.type !== 'name' || field.value !== 'output' || field.focus !== undefined) {
    return {};
  }
  const isName = isRecord(key) && key.type === 'name' && typeof key.value === 'string';
  return isName ? { outputKey: { name: String(key.value), ...positionOf(key) } } : {};
}

function isVariable(node: Node, name: string): boolean {
  return node.type === 'variable' && node.value === name;
}

function namesBoundBy(node: Node): string[] {
  const parameters = node.type === 'lambda' && Array.isArray(node.arguments) ? node.arguments : [];
  const target = node.type === 'bind' ? [node.lhs] : [];
  const variables = [...parameters, ...target].flatMap((variable) => (isRecord(variable) ? [variable.value] : []));
  return [...variables, node.focus, node.index].filter((name) => typeof name === 'string');
}

type NodeContext = { readonly bound: Set<string>; readonly isStepPath: boolean; readonly isCalled: boolean };

function checkNode(node: Node, context: NodeContext, found: Found): void {
  for (const name of namesBoundBy(node)) {
    if (ROOT_NAMES.has(name)) {
      const message = `$${name} cannot be given another meaning.`;
      found.problems.push({ code: 'EXPRESSION_NAME', message, ...positionOf(node) });
    }
  }
  if (node.type === 'variable' && typeof node.value === 'string') {
    const problem = checkVariable(node.value, context);
    found.problems.push(...(problem === null ? [] : [{ ...problem, ...positionOf(node) }]));
    if (isLocalName(node.value, context)) {
      found.names.push({ name: node.value, isBound: context.bound.has(node.value), ...positionOf(node) });
    }
  }
  if (node.type === 'regex' && node.value instanceof RegExp && !isLinear(node.value)) {
    const message = 'This regular expression cannot be run in linear time (no look-around, no back references).';
    found.problems.push({ code: 'EXPRESSION_SYNTAX', message, ...positionOf(node) });
  }
}

function checkVariable(name: string, { bound, isStepPath }: NodeContext): ExpressionProblem | null {
  if (name === 'steps') {
    const message = '$steps must be followed by the id of a step, as in $steps.fetch or $steps.`my-step`.';
    return isStepPath || bound.has(name) ? null : { code: 'EXPRESSION_NAME', message };
  }
  return name === 'eval' && !bound.has(name) ? { code: 'EXPRESSION_NAME', message: '$eval is not available.' } : null;
}

/** `$error` is a function where it is called, and what failed where it is read. */
function isLocalName(name: string, { isCalled }: NodeContext): boolean {
  if (name === '' || name === '$' || ROOT_NAMES.has(name)) {
    return false;
  }
  return !JSONATA_FUNCTIONS.has(name) || (name === 'error' && !isCalled);
}

function isLinear(pattern: RegExp): boolean {
  try {
    compileLinear(pattern);
    return true;
  } catch {
    return false;
  }
}

function positionOf(node: Node): { position?: number } {
  return typeof node.position === 'number' ? { position: node.position } : {};
}

/** `??` copies its left side into the tree, so the same finding may turn up several times. */
function unique<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}

function asProblem(error: unknown): ExpressionProblem {
  if (!(error instanceof ExpressionFault)) {
    return { code: 'EXPRESSION_SYNTAX', message: 'This is not a valid expression.' };
  }
  const { code, message, position } = error;
  return position === undefined ? { code, message } : { code, message, position };
}
