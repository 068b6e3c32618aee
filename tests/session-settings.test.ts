import { beforeAll, expect, it } from 'vitest';
import { type ProjectFile, readProjectFiles } from './project-files.ts';

/**
 * A setting that outlives its transaction stays on the pooled connection, and the next one to get it would read another
 * tenant's rows. So the organization is set for one transaction only, and nothing else is set for a session at all.
 */

/** Where a statement changes its session all the same, and why that reaches nobody else. */
const ALLOWED = new Map([
  [
    'packages/db/src/migrate.ts',
    ["SET ROLE app_owner'", "SET password_encryption = 'scram-sha-256'`"], // its own connection, ended with the migration
  ],
]);
/** Probes of what PostgreSQL refuses, fixtures and measurements: on connections and databases of their own. */
const PROBES = /\.test\.ts$|^bench\//;

let files: ProjectFile[];

beforeAll(async () => {
  files = (await readProjectFiles()).filter(({ path }) => /\.(ts|tsx|mjs|sql)$/.test(path));
});

it('every set_config of the project ends with its transaction', () => {
  expect(files.flatMap(findLastingConfig)).toEqual([]);
  expect(findLastingConfig(file("select set_conf~ig('app.current_org_id', $1, false)"))).toHaveLength(1);
  expect(findLastingConfig(file('select set_conf~ig($1, $2, $3)'))).toHaveLength(1);
  expect(findLastingConfig(file("SET_CONF~IG (\n'a.b', f(x, true), is_local)"))).toHaveLength(1);
  expect(findLastingConfig(file("select set_conf~ig('a.b', f(x, y), true)"))).toEqual([]);
});

it('no statement of the project changes its session', () => {
  const found = files.filter(({ path }) => !PROBES.test(path)).flatMap(findSessionSet);
  const unexpected = found.filter(({ path, text }) => !ALLOWED.get(path)?.some((allowed) => text.endsWith(allowed)));
  expect(unexpected).toEqual([]);
  expect(found.length - unexpected.length).toBe([...ALLOWED.values()].flat().length);
});

it.each([
  "query('SE~T app.current_org_id = 1')",
  'query(`se~t role app_owner`)',
  "query('SE~T SESSION AUTHORIZATION x')",
  "query('BEGIN; SE~T search_path TO app')",
  '\nSE~T row_security = off;',
  "query('RESE~T ROLE; SE~T SESSION x = 1')",
])('finds %j', (line) => {
  expect(findSessionSet(file(line))).toHaveLength(1);
});

it.each([
  "query('SE~T LOCAL ROLE app_owner')",
  "query('UPDATE app.users SE~T name = 1')",
  '\nUPDATE app.users\nSE~T name = 1;',
  'LANGUAGE sql SECURITY DEFINER SE~T search_path = pg_catalog AS $$ SELECT 1 $$;',
  'x ON DELETE SE~T NULL;',
  "ALTER ROLE app_api SE~T statement_timeout = '60s';",
])('leaves %j alone', (line) => {
  expect(findSessionSet(file(line))).toEqual([]);
});

/** `~` is taken out, so that the examples do not find themselves. */
function file(text: string): ProjectFile {
  return { path: 'x.sql', lines: text.replaceAll('~', '').split('\n') };
}

function findLastingConfig({ path, lines }: ProjectFile): string[] {
  const text = lines.join('\n');
  return [...text.matchAll(/\bset_config\s*\(/gi)].flatMap((match) => {
    const call = readCall(text, match.index + match[0].length);
    const lastArgument = /,\s*([^,()]*)$/.exec(call)?.[1]?.trim();
    const isMention = !call.includes(',');
    return isMention || lastArgument === 'true' ? [] : [`${path}: set_config(${call})`];
  });
}

/** Up to the bracket that closes the call. */
function readCall(text: string, start: number): string {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')') depth--;
    if (depth === 0) return text.slice(start, at);
  }
  return text.slice(start);
}

/** SET at the start of a statement: of a text, of a line, or after a semicolon. */
function findSessionSet({ path, lines }: ProjectFile): { path: string; text: string }[] {
  const text = lines.join('\n');
  const starts =
    /(?<=^|[\n;'"`])[ \t]*(?:set|SET)\s+(?:(?:session|SESSION|role|ROLE)\b|[a-z_.]+\s*(?:=|(?:to|TO)\b))[^\n]*?(?=[;)\n]|$)/g;
  return [...text.matchAll(starts)].flatMap((match) => {
    const statement =
      text
        .slice(0, match.index)
        .split(/[;'"`]/)
        .at(-1) ?? '';
    const isPart = /\b(update|alter|function|delete|conflict)\b/i.test(statement);
    const isComment = /(--|\/\/|\*)[^\n]*$/.test(statement);
    return isPart || isComment ? [] : [{ path, text: match[0].trim() }];
  });
}
