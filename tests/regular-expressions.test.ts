import { parseSync } from 'vite';
import { beforeAll, expect, it } from 'vitest';
import { Email } from '../packages/shared/src/contracts/auth.ts';
import { PageQuery, personText, Time } from '../packages/shared/src/contracts/contract.ts';
import { Id } from '../packages/shared/src/ids.ts';
import { readProjectFiles } from './project-files.ts';

const LENGTH = 50 * 1024;
/** Processor time, not time on the clock: other programs on the machine do not count. A linear search takes under 1 ms. */
const BUDGET_MS = 50;
/** Stands for whatever else a class such as [^"] or a dot matches. */
const ANY_OTHER = '~';
const MOST_CHARS = 12;

interface Expression {
  where: string;
  pattern: string;
  flags: string;
}

let literals: Expression[];
let built: string[];

beforeAll(async () => {
  const files = await readProjectFiles();
  const sources = files.filter(
    ({ path }) => /^(apps|packages)\/[^/]+\/src\/.*\.ts$/.test(path) && !/test\.ts$|testing/.test(path),
  );
  literals = [];
  built = [];
  for (const { path, lines } of sources) {
    const { program, errors } = parseSync(path, lines.join('\n'));
    expect(errors).toEqual([]);
    visit(program, path);
  }
});

it('T9: every regular expression of ours is a literal, so that this test sees it and no user writes one', () => {
  expect(built).toEqual([]);
  expect(literals.length).toBeGreaterThan(40);
});

it('T9: no regular expression of ours spends more than 50 ms on 50 KB made to make it backtrack', () => {
  const slow: string[] = [];
  for (const { where, pattern, flags } of literals) {
    const expression = new RegExp(pattern, flags);
    const found = adversarialStrings(pattern).find((text) => isSlow(() => search(expression, text)));
    if (found !== undefined) slow.push(`${where}: /${pattern}/ on ${JSON.stringify(found.slice(0, 20))}...`);
  }
  expect(slow).toEqual([]);
}, 120_000);

it('T9: the schemas of text in requests refuse 50 KB of anything as fast', () => {
  const schemas = {
    Email,
    Id,
    Time,
    name: personText(100),
    cursor: PageQuery.shape.cursor,
    limit: PageQuery.shape.limit,
  };
  const pumps = ['a', '1', '.', '-', '@', ' ', 'a.', 'a@', '-a', '0:', 'T', '\u0301', '\ud83d\ude00', '"', '\\"', 'a+'];
  const slow: string[] = [];
  for (const [name, schema] of Object.entries(schemas))
    for (const pump of pumps)
      for (const prefix of ['', 'a@', '2026-01-01T00:00:00.', '0198c0de-0000-7000-8000-'])
        for (const suffix of ['', '!', '@', 'Z'])
          if (isSlow(() => schema.safeParse(prefix + fill(pump) + suffix))) slow.push(`${name} on ${prefix}${pump}...`);
  expect(slow).toEqual([]);
}, 60_000);

it('T9: the strings find an expression that backtracks', () => {
  for (const pattern of ['[ \\t]+$', '\\d+x', '^a*a*b']) {
    const expression = new RegExp(pattern);
    const isFound = adversarialStrings(pattern).some((text) => isSlow(() => search(expression, text.slice(-15_000))));
    expect(isFound, pattern).toBe(true);
  }
});

function visit(node: unknown, path: string): void {
  if (typeof node !== 'object' || node === null) return;
  const { type, regex, callee } = node as { type?: string; regex?: Expression; callee?: { name?: string } };
  if (type === 'Literal' && regex) literals.push({ ...regex, where: path });
  if ((type === 'NewExpression' || type === 'CallExpression') && callee?.name === 'RegExp') built.push(path);
  for (const child of Object.values(node)) visit(child, path);
}

function search(expression: RegExp, text: string): void {
  expression.lastIndex = 0;
  if (expression.global) text.replace(expression, '');
  else expression.test(text);
}

/** True when it is over the budget three times in a row: a pause of the garbage collector is not. */
function isSlow(work: () => unknown): boolean {
  return [1, 2, 3].every(() => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 > BUDGET_MS;
  });
}

/**
 * Long repetitions of what the pattern is made of, behind each of its characters and its literal start, and with an end
 * that it cannot match: what makes a backtracking matcher try every split.
 */
function adversarialStrings(pattern: string): string[] {
  const chars = charactersOf(pattern);
  const start = /^\^?([\w ]*)/.exec(pattern)?.[1] ?? '';
  const singles = ['', start, ...chars].flatMap((prefix) => chars.map((pump) => prefix + fill(pump)));
  const few = chars.slice(0, 7);
  const pairs = ['', start].flatMap((prefix) =>
    few.flatMap((one) => few.filter((other) => other !== one).map((other) => prefix + fill(one + other))),
  );
  return [...singles, ...pairs].map((text) => `${text}\u0000`);
}

function charactersOf(pattern: string): string[] {
  const classes: Record<string, string> = {
    d: '1',
    w: 'a',
    s: ' ',
    p: '\u0001',
    t: '\t',
    n: '\n',
    r: '\r',
    v: '\v',
    u: 'u',
    x: '!',
  };
  const escaped = [...pattern.matchAll(/\\(.)/g)].map(([, char = '']) => classes[char] ?? char);
  const plain = pattern.replace(/\\(?:[xu][0-9a-f]{2,4}|p\{\w+\}|.)/g, '').replace(/[()[\]{}^$*+?|]/g, '');
  return [...new Set([...escaped, ANY_OTHER, ...plain])].slice(0, MOST_CHARS);
}

function fill(pump: string): string {
  return pump.repeat(Math.ceil(LENGTH / pump.length));
}
