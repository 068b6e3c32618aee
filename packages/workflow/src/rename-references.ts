import { isRecord } from './json.ts';
import { analyzeExpression } from './references.ts';
import { hasExpression, parseTemplateString } from './template.ts';

const WORDS_OF_THE_GRAMMAR = new Set(['and', 'or', 'in', 'true', 'false', 'null', 'function']);

/**
 * The tree with every `$steps.<from>` in its expressions called `<to>`, in backticks where the language asks for them.
 * Text, string literals, comments and other names stay as they are, and so does an expression that cannot be parsed.
 * Answers the very same value when it holds no such reference. The tree must have passed `checkBounds`.
 */
export function renameReferences(tree: unknown, from: string, to: string): unknown {
  if (typeof tree === 'string') {
    return hasExpression(tree) ? renameInText(tree, from, to) : tree;
  }
  if (Array.isArray(tree)) {
    const items = tree.map((item: unknown) => renameReferences(item, from, to));
    return items.every((item, index) => item === tree[index]) ? tree : items;
  }
  if (!isRecord(tree)) {
    return tree;
  }
  const entries = Object.entries(tree).map(([key, item]) => [key, renameReferences(item, from, to)] as const);
  return entries.every(([key, item]) => item === tree[key]) ? tree : Object.fromEntries(entries);
}

function renameInText(text: string, from: string, to: string): string {
  const { parts } = parseTemplateString(text);
  return parts
    .map((part) => (part.type === 'text' ? part.text : `{%${renameInSource(part.source, from, to)}%}`))
    .join('');
}

/** A reference is found by the place where its name ends, as the parser of the language sees it. */
function renameInSource(source: string, from: string, to: string): string {
  const ends = analyzeExpression(source).steps.flatMap(({ id, position }) =>
    id === from && position !== undefined ? [position] : [],
  );
  return [...new Set(ends)]
    .sort((left, right) => right - left)
    .reduce((text, end) => {
      const start = [`\`${from}\``, from]
        .map((name) => end - name.length)
        .find((at, index) => {
          return text.slice(at, end) === (index === 0 ? `\`${from}\`` : from);
        });
      return start === undefined ? text : text.slice(0, start) + quoteName(to) + text.slice(end);
    }, source);
}

function quoteName(id: string): string {
  return /^[A-Za-z_]\w*$/.test(id) && !WORDS_OF_THE_GRAMMAR.has(id) ? id : `\`${id}\``;
}
