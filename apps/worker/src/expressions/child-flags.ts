import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKFLOW = '@millrace/workflow';

const OWN_FILE = fileURLToPath(import.meta.url);
/** A build is single files side by side; run from the sources, the child needs the packages that it imports. */
const IS_BUILT = OWN_FILE.endsWith('.mjs');
export const CHILD_PROGRAM = join(dirname(OWN_FILE), IS_BUILT ? 'expression-child.mjs' : 'expression-child.ts');
/** Megabytes of JavaScript heap; a child that needs more dies, and only the child. */
export const CHILD_HEAP_MB = 64;

/**
 * Node's flags for a child: it may read what it is made of and nothing else, write nothing, start nothing, and
 * turn no text into code.
 */
export function childFlags(): string[] {
  return [
    '--permission',
    ...[CHILD_PROGRAM, ...(IS_BUILT ? [] : packagePaths())].map((path) => `--allow-fs-read=${path}`),
    `--max-old-space-size=${CHILD_HEAP_MB}`,
    '--max-semi-space-size=2',
    '--disable-proto=delete',
    '--disallow-code-generation-from-strings',
  ];
}

/**
 * @millrace/workflow under its real path and under the link npm made for it (Node checks both), and the packages that it
 * depends on.
 */
function packagePaths(): string[] {
  const workflowRoot = dirname(dirname(fileURLToPath(import.meta.resolve(`${WORKFLOW}/expression`))));
  const requireFromWorkflow = createRequire(join(workflowRoot, 'package.json'));
  const { dependencies = {} }: { dependencies?: Record<string, string> } = requireFromWorkflow('./package.json');
  const roots = [
    workflowRoot,
    ...installedAt(createRequire(import.meta.url), WORKFLOW),
    ...Object.keys(dependencies).flatMap((name) => installedAt(requireFromWorkflow, name)),
  ];
  return roots.map((root) => join(root, '*'));
}

/** Where Node finds a package from here: the first `node_modules` on the way up that has it. */
function installedAt(from: NodeJS.Require, name: string): string[] {
  const folders = from.resolve.paths(name) ?? [];
  return folders
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path))
    .slice(0, 1);
}
