import type { Document } from './edit.ts';
import { changeEvaluated } from './evaluated-places.ts';
import { isRecord } from './json.ts';
import { effectiveEdges, type Outline } from './outline.ts';
import { analyzeExpression, type StepReference } from './references.ts';
import { findKind } from './steps/registry.ts';
import { hasExpression, parseTemplateString } from './template.ts';

const WORDS_OF_THE_GRAMMAR = new Set(['and', 'or', 'in', 'true', 'false', 'null', 'function']);

/** Which names change, all at once: two nodes may change places. */
export type Renaming = {
  /** The new ids of nodes, by those they have. */
  readonly ids: ReadonlyMap<string, string>;
  /** The nodes that lead to a join, by its id: their ids are the keys of its output. */
  readonly joined: ReadonlyMap<string, ReadonlySet<string>>;
};

/** Renames nodes of these graphs, which hold the joins that they lead to. */
export function renamingOf(ids: ReadonlyMap<string, string>, graphs: readonly Outline[]): Renaming {
  const joined = graphs.flatMap((graph) => {
    const joins = graph.nodes.filter(({ type }) => findKind(type ?? '')?.gate !== undefined);
    return joins.map(({ id }) => {
      const sources = effectiveEdges(graph).flatMap(({ from, to }) => (to === id ? [from] : []));
      return [id ?? '', new Set(sources)] as const;
    });
  });
  return { ids, joined: new Map(joined) };
}

/** The document with its references renamed, wherever expressions are evaluated and nowhere else. */
export function renameIn(document: Document, renaming: Renaming): Document {
  return changeEvaluated(document, (tree) => renameReferences(tree, renaming));
}

/**
 * The tree with every `$steps.<id>` in its expressions that has a new name called by it, in backticks where the language
 * asks for them, and so the keys that paths name of the output of a join. Text, string literals, comments and other names
 * stay as they are, and so does an expression that cannot be parsed. Answers the very same value when it holds no such
 * reference. The tree must have passed `checkBounds`.
 */
export function renameReferences(tree: unknown, renaming: Renaming): unknown {
  if (typeof tree === 'string') {
    return hasExpression(tree) ? renameInText(tree, renaming) : tree;
  }
  if (Array.isArray(tree)) {
    const items = tree.map((item: unknown) => renameReferences(item, renaming));
    return items.every((item, index) => item === tree[index]) ? tree : items;
  }
  if (!isRecord(tree)) {
    return tree;
  }
  const entries = Object.entries(tree).map(([key, item]) => [key, renameReferences(item, renaming)] as const);
  return entries.every(([key, item]) => item === tree[key]) ? tree : Object.fromEntries(entries);
}

function renameInText(text: string, renaming: Renaming): string {
  const { parts } = parseTemplateString(text);
  return parts
    .map((part) => (part.type === 'text' ? part.text : `{%${renameInSource(part.source, renaming)}%}`))
    .join('');
}

/** A name in a reference, and where it ends. */
type Name = { readonly name: string; readonly position?: number };

/** From the end, so that the places before stay where they are. `??` copies references, so each is changed once. */
function renameInSource(source: string, renaming: Renaming): string {
  const names = analyzeExpression(source).steps.flatMap((reference) => namesOf(reference, renaming));
  const byEnd = new Map(names.map(({ name, position }) => [position ?? 0, name]));
  return [...byEnd]
    .sort(([left], [right]) => right - left)
    .reduce((text, [end, name]) => {
      const start = startOf(text, end, name);
      const to = renaming.ids.get(name);
      return start === null || to === undefined ? text : text.slice(0, start) + quoteName(to) + text.slice(end);
    }, source);
}

function namesOf({ id, position, outputKey }: StepReference, { joined }: Renaming): Name[] {
  const own = { name: id, ...(position !== undefined && { position }) };
  return outputKey !== undefined && joined.get(id)?.has(outputKey.name) ? [own, outputKey] : [own];
}

/** Where a name begins that ends there: bare, in backticks or in quotes. Null when it is not written there after all. */
function startOf(text: string, end: number, name: string): number | null {
  const last = text.charAt(end - 1);
  const start = '`"\''.includes(last) ? text.lastIndexOf(last, end - 2) : end - name.length;
  const written = analyzeExpression(`$steps.${text.slice(start, end)}`).steps;
  return start >= 0 && written.length === 1 && written[0]?.id === name ? start : null;
}

function quoteName(id: string): string {
  return /^[A-Za-z_]\w*$/.test(id) && !WORDS_OF_THE_GRAMMAR.has(id) ? id : `\`${id}\``;
}
