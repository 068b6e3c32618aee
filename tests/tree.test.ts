import { beforeAll, expect, it } from 'vitest';
import { type ProjectFile, readProjectFiles } from './project-files.ts';

const CODE = /\.(ts|tsx|mts|js|mjs|cjs|jsx)$/;
const TESTS = /\.test\.ts$|\/testing(-[a-z-]+)?\.ts$|^tests\/|^e2e\//;
const TOOLS = /^(scripts|bench)\//;
const GUARDED_DOOR = 'packages/connectors/src/safe-fetch.ts';
/** Asks the sign-in providers that the operator configured, on private networks too; no tenant chooses an address here. */
const PROVIDER_DOOR = 'apps/api/src/features/oauth/provider-fetch.ts';
/** A browser's own requests to the origin that served the page. */
const BROWSER_DOOR = 'apps/web/src/lib/fetch-api.ts';
const DOORS = [GUARDED_DOOR, PROVIDER_DOOR, BROWSER_DOOR];

interface Ban {
  name: string;
  /** Written so that it does not find itself: a bracket around one letter. */
  pattern: RegExp;
  applies(path: string): boolean;
  /** Lines that must be found; `~` is taken out first, for the same reason. */
  finds: string[];
}

const bans: Ban[] = [
  {
    name: 'no program turns a string into code: every such door was an escape somewhere else',
    pattern: /\beva[l]\s*\(|\bFunctio[n]\s*\(|['"](node:)?v[m]['"]/,
    applies: (path) => CODE.test(path) && !TESTS.test(path),
    finds: [
      'ev~al(text)',
      'globalThis.ev~al (text)',
      "new Fun~ction('return 1')",
      "import { Script } from 'node:v~m';",
    ],
  },
  {
    name: 'no program reaches the network but through the guarded door',
    pattern: /(?<![.\w])fetc[h]\s*\(|globalThis\.fetc[h]\b|['"]undic[i](\/[^'"]*)?['"]/,
    applies: (path) => CODE.test(path) && !TESTS.test(path) && !TOOLS.test(path) && !DOORS.includes(path),
    finds: ['await fet~ch(url)', 'globalThis.fet~ch(url)', "import { Agent } from 'und~ici';"],
  },
  {
    name: 'no file knows the machine it was written on',
    pattern: /(?<![\w.])\/(wor[k]\/(main|shared)|roo[t]\/|tm[p]\/(briefs|bash)|hom[e]\/[a-z]|User[s]\/[A-Za-z])/,
    applies: () => true,
    finds: ['see /wo~rk/main/README.md', "'/ro~ot/.npm'", '/ho~me/ada/project', '/Us~ers/Ada'],
  },
  {
    name: 'no test is skipped, singled out or left to be written',
    pattern: /\b(it|test|describe|suite|bench)(\.\w+)*\.(ski[p]|onl[y]|tod[o]|skipI[f]|runI[f]|fail[s])\b/,
    applies: (path) => CODE.test(path),
    finds: ["it.sk~ip('x')", "describe.on~ly('x')", "test.concurrent.to~do('x')", 'it.sk~ipIf(isSlow)'],
  },
  {
    name: 'no lint or type error is waved through',
    pattern: /biome-ignor[e]|@ts-(ignor[e]|nochec[k]|expect-erro[r])/,
    applies: (path) => CODE.test(path),
    finds: ['// biome-ign~ore lint: no', '// @ts-expect-err~or'],
  },
];

let files: ProjectFile[];

beforeAll(async () => {
  files = await readProjectFiles();
});

it('looks at the whole project', () => {
  const paths = files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['README.md', 'package.json', ...DOORS]));
  expect(paths.filter((path) => CODE.test(path)).length).toBeGreaterThan(100);
});

it.each(bans)('$name', ({ pattern, applies, finds }) => {
  for (const line of finds) expect(line.replaceAll('~', '')).toMatch(pattern);
  const hits = files.filter(({ path }) => applies(path)).flatMap((file) => linesWith(pattern, file));
  expect(hits).toEqual([]);
});

function linesWith(pattern: RegExp, { path, lines }: ProjectFile): string[] {
  return lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}
