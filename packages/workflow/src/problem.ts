/** One reason why a document cannot be published. `path` reads like `nodes[2].config.url`; empty means the document. */
export type Problem = { readonly path: string; readonly code: string; readonly message: string };

type PathPart = string | number | symbol;

/** Appends keys and indexes to a path: `nodes`, 2, `config` become `nodes[2].config`; odd keys are quoted. */
export function joinPath(base: string, ...parts: readonly PathPart[]): string {
  return parts.reduce<string>((path, part) => path + formatPart(part, path === ''), base);
}

function formatPart(part: PathPart, isFirst: boolean): string {
  if (typeof part === 'number') {
    return `[${part}]`;
  }
  const key = String(part);
  if (!/^[A-Za-z_$][\w$-]*$/.test(key)) {
    return `[${JSON.stringify(key.slice(0, 80))}]`;
  }
  return isFirst ? key : `.${key}`;
}
