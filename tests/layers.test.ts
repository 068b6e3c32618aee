import { posix } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type ProjectFile, readProjectFiles } from './project-files.ts';

/** docs/architecture.md, "Layers": what each workspace may import. Arrows point down only; programs see no programs. */
const below: Record<string, string[]> = {
  'packages/workflow': [],
  'packages/connectors': [],
  'packages/mail': [],
  'packages/shared': ['workflow'],
  'packages/db': ['shared', 'workflow'],
  'packages/queue': ['shared'],
  'apps/web': ['shared', 'workflow'],
  'apps/node-agent': ['shared', 'connectors'],
  'apps/api': ['connectors', 'db', 'mail', 'queue', 'shared', 'workflow'],
  'apps/worker': ['connectors', 'db', 'queue', 'shared', 'workflow'],
};

interface Workspace {
  folder: string;
  declared: string[];
  imports: { from: string; specifier: string }[];
}

let workspaces: Workspace[];

beforeAll(async () => {
  const files = await readProjectFiles();
  const manifests = files.filter(({ path }) => /^(packages|apps)\/[^/]+\/package\.json$/.test(path));
  workspaces = manifests.map((manifest) => toWorkspace(manifest, files));
});

it('knows every workspace', () => {
  const folders = workspaces.map(({ folder }) => folder);
  expect(folders.filter((folder) => below[folder] === undefined)).toEqual([]);
  expect(folders).toEqual(expect.arrayContaining(['packages/workflow', 'packages/db', 'apps/api', 'apps/worker']));
});

it('every package.json declares only packages of the layers below', () => {
  const wrong = workspaces.flatMap(({ folder, declared }) =>
    declared.filter((name) => !below[folder]?.includes(name)).map((name) => `${folder} -> ${name}`),
  );
  expect(wrong).toEqual([]);
});

it('every import of ours is declared, so it points down too', () => {
  const wrong = workspaces.flatMap(({ declared, imports }) =>
    imports
      .filter(({ specifier }) => specifier.startsWith('@millrace/'))
      .filter(({ specifier }) => !declared.includes(specifier.split('/')[1] ?? ''))
      .map(({ from, specifier }) => `${from} -> ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

it('no relative import leaves its workspace', () => {
  const wrong = workspaces.flatMap(({ folder, imports }) =>
    imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ from, specifier }) => !posix.join(posix.dirname(from), specifier).startsWith(`${folder}/`))
      .map(({ from, specifier }) => `${from} -> ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

it('sees imports at all', () => {
  const specifiers = workspaces.flatMap(({ imports }) => imports.map(({ specifier }) => specifier));
  expect(specifiers).toEqual(expect.arrayContaining(['@millrace/shared/errors', './jobs.ts', 'bullmq']));
});

function toWorkspace(manifest: ProjectFile, files: ProjectFile[]): Workspace {
  const folder = posix.dirname(manifest.path);
  const content = JSON.parse(manifest.lines.join('\n')) as Record<string, Record<string, string> | undefined>;
  const names = Object.keys({ ...content.dependencies, ...content.devDependencies, ...content.peerDependencies });
  const declared = names.filter((name) => name.startsWith('@millrace/')).map((name) => name.split('/')[1] ?? '');
  const sources = files.filter(({ path }) => path.startsWith(`${folder}/`) && /\.(ts|tsx|mjs)$/.test(path));
  return { folder, declared, imports: sources.flatMap(importsOf) };
}

function importsOf(file: ProjectFile): { from: string; specifier: string }[] {
  const statements = file.lines.join('\n').matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g);
  return [...statements].map((match) => ({ from: file.path, specifier: match[2] ?? '' }));
}
