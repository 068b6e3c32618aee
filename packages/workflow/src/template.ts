/** A piece of a string: literal text, or the source between `{%` and `%}` with its offset in the string. */
export type TemplatePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'expression'; readonly source: string; readonly offset: number };

export type TemplateString = {
  /** The trimmed string is exactly one expression, so it takes the value instead of inserting text. */
  readonly isWhole: boolean;
  readonly parts: readonly TemplatePart[];
  /** Offset of a `{%` that is never closed, else null. */
  readonly unclosedAt: number | null;
};

const OPEN = '{%';
const CLOSE = '%}';

/** True when the string holds the start of an expression. */
export function hasExpression(text: string): boolean {
  return text.includes(OPEN);
}

/** Splits a string into text and expressions. An expression ends at the first `%}`, even inside quotes. */
export function parseTemplateString(text: string): TemplateString {
  const parts: TemplatePart[] = [];
  let position = 0;
  while (position < text.length) {
    const open = text.indexOf(OPEN, position);
    if (open === -1) {
      break;
    }
    const close = text.indexOf(CLOSE, open + OPEN.length);
    if (close === -1) {
      return { isWhole: false, parts: [...parts, textPart(text.slice(position))], unclosedAt: open };
    }
    if (open > position) {
      parts.push(textPart(text.slice(position, open)));
    }
    const offset = open + OPEN.length;
    parts.push({ type: 'expression', source: text.slice(offset, close), offset });
    position = close + CLOSE.length;
  }
  if (position < text.length || text === '') {
    parts.push(textPart(text.slice(position)));
  }
  return { isWhole: isWholeExpression(parts), parts, unclosedAt: null };
}

function textPart(text: string): TemplatePart {
  return { type: 'text', text };
}

function isWholeExpression(parts: readonly TemplatePart[]): boolean {
  const solid = parts.filter((part) => part.type === 'expression' || part.text.trim() !== '');
  return solid.length === 1 && solid[0]?.type === 'expression';
}
