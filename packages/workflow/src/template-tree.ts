import { ExpressionFault } from './expression-fault.ts';
import { copyResult, RESULT_MAX_SIZE } from './expression-value.ts';
import { isRecord, type Json, setOwn } from './json.ts';
import { compilePlain, type PlainExpression } from './plain-path.ts';
import { joinPath } from './problem.ts';
import { rememberRecent } from './recent.ts';
import { parseTemplateString, type TemplateString } from './template.ts';

/** A string value of a config or output tree, with its path in the document. */
export type LocatedString = { readonly path: string; readonly text: string };

/** One expression of a tree in the order of `listExpressions`; `plain` is null when it needs JSONata. */
export type LocatedExpression = {
  readonly path: string;
  readonly source: string;
  readonly offset: number;
  readonly plain: PlainExpression | null;
};

/** Why a tree could not be evaluated. `position` is an offset in the string at `path`. */
export type ExpressionError = {
  readonly code: string;
  readonly path: string;
  readonly position?: number;
  readonly message: string;
};

const parseString = rememberRecent(1000, parseTemplateString);
const compile = rememberRecent(1000, (source) => ({ plain: compilePlain(source) }));

/** Every string value of a tree, in the order the tree is written. The tree must have passed `checkBounds`. */
export function listStrings(tree: unknown, path: string): LocatedString[] {
  if (typeof tree === 'string') {
    return [{ path, text: tree }];
  }
  if (Array.isArray(tree)) {
    return tree.flatMap((item, index) => listStrings(item, joinPath(path, index)));
  }
  return isRecord(tree) ? Object.entries(tree).flatMap(([key, item]) => listStrings(item, joinPath(path, key))) : [];
}

/** By tree, then by path. Trees are parts of documents, which nobody changes, and are evaluated once for each run. */
const listed = new WeakMap<object, Map<string, readonly LocatedExpression[]>>();

/** Every expression of a tree, in the order `fillTree` takes their values. */
export function listExpressions(tree: unknown, path: string): readonly LocatedExpression[] {
  if (typeof tree !== 'object' || tree === null) {
    return findExpressions(tree, path);
  }
  const byPath = listed.get(tree) ?? new Map<string, readonly LocatedExpression[]>();
  listed.set(tree, byPath);
  const expressions = byPath.get(path) ?? findExpressions(tree, path);
  byPath.set(path, expressions);
  return expressions;
}

function findExpressions(tree: unknown, path: string): readonly LocatedExpression[] {
  return listStrings(tree, path).flatMap((located) => listOfString(located));
}

/**
 * The tree with its expressions replaced by `values`, copied into plain JSON (see `copyResult`). A missing value is
 * null when it stands alone; inserted in text, it or null throws an ExpressionFault EXPRESSION_NO_VALUE.
 * Faults carry no path: `onPath` is told which string is being filled.
 */
export function fillTree(
  tree: unknown,
  path: string,
  values: readonly unknown[],
  onPath: (path: string, offset: number) => void,
): Json {
  const remaining = values.values();
  const budget = { left: RESULT_MAX_SIZE };
  const fillString = (text: string, at: string): Json => {
    const { isWhole, parts } = parseString(text);
    const pieces = parts.map((part) => {
      onPath(at, part.type === 'text' ? 0 : part.offset);
      if (part.type === 'text') {
        return isWhole ? undefined : copyResult(part.text, budget);
      }
      const value: unknown = remaining.next().value;
      return isWhole ? copyResult(value ?? null, budget) : insertedText(copyResult(value ?? null, budget));
    });
    return isWhole ? (pieces.find((piece) => piece !== undefined) ?? null) : pieces.join('');
  };
  const fill = (value: unknown, at: string): Json => {
    if (typeof value === 'string') {
      return fillString(value, at);
    }
    if (Array.isArray(value)) {
      return value.map((item, index) => fill(item, joinPath(at, index)));
    }
    return isRecord(value) ? fillObject(value, at, fill) : copyResult(value, budget);
  };
  return fill(tree, path);
}

function fillObject(value: Record<string, unknown>, at: string, fill: (value: unknown, at: string) => Json): Json {
  const filled: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    setOwn(filled, key, fill(item, joinPath(at, key)));
  }
  return filled;
}

function listOfString({ path, text }: LocatedString): LocatedExpression[] {
  const { parts }: TemplateString = parseString(text);
  return parts.flatMap((part) => {
    if (part.type === 'text') {
      return [];
    }
    return [{ path, source: part.source, offset: part.offset, plain: compile(part.source).plain }];
  });
}

function insertedText(value: Json): string {
  if (value === null) {
    const message = 'An expression inside text has no value; give it one with ?? "default".';
    throw new ExpressionFault('EXPRESSION_NO_VALUE', message);
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
