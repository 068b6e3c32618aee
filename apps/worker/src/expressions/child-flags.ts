import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKFLOW = '@millrace/workflow';

export const CHILD_PROGRAM = fileURLToPath(new URL('./expression-child.ts', import.meta.url));
/** Megabytes of JavaScript heap; a child that needs more dies, and only the child. */
export const CHILD_HEAP_MB = 64;

/**
 * Node's flags for a child: it may read the packages it is made of and nothing else, write nothing, start nothing, and
 * turn no text into code.
 */
export function childFlags(): string[] {
  return [
    '--permission',
    ...readablePaths().map((path) => `--allow-fs-read=${path}`),
    `--max-old-space-size=${CHILD_HEAP_MB}`,
    '--disable-proto=delete',
    '--disallow-code-generation-from-strings',
  ];
}

/**
 * The program, @millrace/workflow under its real path and under the link npm made for it (Node checks both), and the
 * packages that one depends on.
 */
function readablePaths(): string[] {
  const workflowRoot = dirname(dirname(fileURLToPath(import.meta.resolve(`${WORKFLOW}/expression`))));
  const requireFromWorkflow = createRequire(join(workflowRoot, 'package.json'));
  const { dependencies = {} }: { dependencies?: Record<string, string> } = requireFromWorkflow('./package.json');
  const roots = [
    workflowRoot,
    ...installedAt(createRequire(import.meta.url), WORKFLOW),
    ...Object.keys(dependencies).flatMap((name) => installedAt(requireFromWorkflow, name)),
  ];
  return [CHILD_PROGRAM, ...roots.map((root) => join(root, '*'))];
}

/** Where Node finds a package from here: the first `node_modules` on the way up that has it. */
function installedAt(from: NodeJS.Require, name: string): string[] {
  const folders = from.resolve.paths(name) ?? [];
  return folders
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path))
    .slice(0, 1);
}
