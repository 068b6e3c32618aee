/**
 * JSONata's parser copies the left side of `??` and `?:`, so nesting them on the left, `((a ?? b) ?? c) ?? d`, doubles
 * the work at every level: 20 levels in 100 characters hold a processor for 8 seconds. Expressions are parsed in the
 * API's own process, so the nesting is counted before the parser sees the text.
 */
export const MAX_DEFAULT_NESTING = 3;

type Group = { inSegment: number; deepest: number };
type Previous = 'operand' | 'operator' | 'unclear';
type Token = { readonly text: string; readonly end: number; readonly previous: Previous };

/**
 * An upper bound of how often the parser copies one part of the text. It follows JSONata's tokens; where a slash could
 * be a division or a regular expression it counts every later `??` and `?:` instead of guessing.
 */
export function countDefaultNesting(source: string): number {
  const groups: Group[] = [{ inSegment: 0, deepest: 0 }];
  let position = 0;
  let previous: Previous = 'operator';
  while (position < source.length) {
    const token = readToken(source, position, previous);
    if (token === null) {
      const rest = source.slice(position).match(/\?[?:]/g)?.length ?? 0;
      return rest + Math.max(...groups.map((group) => Math.max(group.deepest, group.inSegment)));
    }
    track(groups, token.text);
    position = token.end;
    previous = token.previous;
  }
  while (groups.length > 1) {
    track(groups, ')');
  }
  return Math.max(groups[0]?.deepest ?? 0, groups[0]?.inSegment ?? 0);
}

function track(groups: Group[], text: string): void {
  const group = groups.at(-1);
  if (group === undefined) {
    return;
  }
  if (text === '??' || text === '?:') {
    group.deepest = Math.max(group.deepest, group.inSegment + 1);
    group.inSegment = 0;
  } else if (text === ',' || text === ';' || text === ':') {
    group.deepest = Math.max(group.deepest, group.inSegment);
    group.inSegment = 0;
  } else if ('([{'.includes(text)) {
    groups.push({ inSegment: 0, deepest: 0 });
  } else if (')]}'.includes(text) && groups.length > 1) {
    groups.pop();
    const outer = groups.at(-1) ?? group;
    outer.inSegment = Math.max(outer.inSegment, group.deepest, group.inSegment);
  }
}

const BLANK = /[ \t\n\r\v]+|\/\*[\s\S]*?\*\//y;
const STRING = /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|`[^`]*`/y;
const WORD = /[^ \t\n\r\v.[\]{}(),@#;:?+\-*/%|=<>^~!&"'`][^ \t\n\r\v.[\]{}(),@#;:?+\-*/%|=<>^~!&]*/y;

function readToken(source: string, position: number, previous: Previous): Token | null {
  const blank = matchAt(BLANK, source, position);
  if (blank !== null) {
    return { text: ' ', end: position + blank.length, previous };
  }
  const text = matchAt(STRING, source, position);
  if (text !== null) {
    return { text: '"', end: position + text.length, previous: 'operand' };
  }
  const word = matchAt(WORD, source, position);
  if (word !== null) {
    const isOperator = word === 'and' || word === 'or' || word === 'in';
    return { text: 'a', end: position + word.length, previous: isOperator ? 'unclear' : 'operand' };
  }
  return source[position] === '/' ? readSlash(source, position, previous) : readOperator(source, position);
}

function readOperator(source: string, position: number): Token {
  const pair = source.slice(position, position + 2);
  if (pair === '??' || pair === '?:') {
    return { text: pair, end: position + 2, previous: 'operator' };
  }
  if (pair === ':=') {
    return { text: '=', end: position + 2, previous: 'operator' };
  }
  const text = source.charAt(position);
  const end = position + 1;
  if (text === ')' || text === ']') {
    return { text, end, previous: 'operand' };
  }
  return { text, end, previous: '*%}|@#^'.includes(text) ? 'unclear' : 'operator' };
}

function readSlash(source: string, position: number, previous: Previous): Token | null {
  if (previous === 'unclear') {
    return null;
  }
  if (previous === 'operand') {
    return { text: '/', end: position + 1, previous: 'operator' };
  }
  return { text: '/', end: endOfRegex(source, position + 1), previous: 'operand' };
}

/** JSONata's own rule: the first slash outside brackets that is not escaped. */
function endOfRegex(source: string, start: number): number {
  let depth = 0;
  let backslashes = 0;
  for (let position = start; position < source.length; position += 1) {
    const char = source.charAt(position);
    if (char === '/' && depth === 0 && backslashes % 2 === 0) {
      return position + 1;
    }
    if (source.charAt(position - 1) !== '\\') {
      depth += Number('([{'.includes(char)) - Number(')]}'.includes(char));
    }
    backslashes = char === '\\' ? backslashes + 1 : 0;
  }
  return source.length;
}

function matchAt(pattern: RegExp, source: string, position: number): string | null {
  pattern.lastIndex = position;
  return pattern.exec(source)?.[0] ?? null;
}
