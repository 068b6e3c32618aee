import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBillOfMaterials } from '../scripts/supply/bill-of-materials.ts';
import { readProjectFiles } from './project-files.ts';

/** S4: what is installed is what was reviewed, and nothing that is installed runs code of its own unasked. */

interface Package {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  inBundle?: boolean;
  hasInstallScript?: boolean;
}

interface Manifest {
  name: string;
  allowScripts?: Record<string, boolean>;
  overrides?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as { packages: Record<string, Package> };
const installed = Object.entries(lock.packages).filter(([path]) => path.includes('node_modules/'));
const foreign = installed.filter(([, { link }]) => !link);
const nameOf = (path: string) => path.split('node_modules/').at(-1) ?? '';

let manifests: Manifest[];
let project: Manifest;

beforeAll(async () => {
  const files = await readProjectFiles();
  manifests = files
    .filter(({ path }) => /(^|\/)package\.json$/.test(path) && !path.includes('lint-fixtures'))
    .map(({ lines }) => JSON.parse(lines.join('\n')) as Manifest);
  project = manifests.find(({ name }) => name === 'millrace') as Manifest;
});

describe('S4: install scripts', () => {
  const withScripts = () =>
    new Set(foreign.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)));

  it('are decided one by one, and no decision is left over', () => {
    expect(withScripts().size).toBeGreaterThan(0);
    expect(Object.keys(project.allowScripts ?? {}).toSorted()).toEqual([...withScripts()].toSorted());
  });

  it('run for the packages that cannot be without, and for no other', () => {
    const allowed = Object.entries(project.allowScripts ?? {}).filter(([, isAllowed]) => isAllowed);
    // It puts the binary of Node into place. PostgreSQL's links are made by scripts/services; msgpackr has a fallback.
    expect(allowed.map(([name]) => name)).toEqual(['node']);
  });

  it('fail the installation when they are new, with an npm that knows how', () => {
    expect(readFileSync(`${root}.npmrc`, 'utf8')).toMatch(/^strict-allow-scripts=true$/m);
  });
});

describe('S4: packages', () => {
  it('come from the registry that npm is set to, by name, version and checksum', () => {
    expect(foreign.length).toBeGreaterThan(200);
    for (const [path, { version, resolved, integrity, inBundle }] of foreign) {
      // An address in the lock file would be taken from there, whatever the registry says.
      expect([path, resolved]).toEqual([path, undefined]);
      expect([path, version]).toEqual([path, expect.stringMatching(EXACT)]);
      if (!inBundle) expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/)]);
    }
    const links = installed.filter(([, { link }]) => link);
    for (const [path, { resolved }] of links) expect([path, resolved]).toEqual([path, expect.stringMatching(OURS)]);
  });

  it('are asked for in one exact version each', () => {
    expect(manifests.length).toBeGreaterThan(8);
    for (const {
      name,
      overrides,
      dependencies,
      devDependencies,
      optionalDependencies,
      peerDependencies,
    } of manifests) {
      const all = { ...overrides, ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies };
      for (const [dependency, version] of Object.entries(all))
        expect([name, dependency, version]).toEqual([name, dependency, expect.stringMatching(EXACT)]);
    }
  });

  const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
  const OURS = /^(packages|apps)\/[a-z-]+$/;
});

it('S4: the bill of materials lists every package of production, with its version and checksum', {
  timeout: 120_000,
}, async () => {
  const { components } = await readBillOfMaterials(root);
  const listed = components.filter(({ purl }) => !purl.includes('%40millrace/'));
  const expected = foreign
    .filter(([, { dev }]) => !dev)
    .map(([path, { version }]) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${version}`);
  expect(expected.length).toBeGreaterThan(60);
  expect(new Set(listed.map(({ purl }) => purl.split('?')[0]))).toEqual(new Set(expected));
  for (const { purl, hashes } of listed) expect([purl, hashes?.length]).toEqual([purl, 1]);
});
