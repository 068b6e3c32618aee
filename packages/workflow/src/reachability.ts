/** The ends of an edge. */
export type Link = { readonly from: string; readonly to: string };

/**
 * Answers which ids lead to an id. Each answer walks the graph once, on demand; an id on a cycle leads to itself.
 */
export function ancestorsIn(links: readonly Link[]): (id: string) => ReadonlySet<string> {
  const sources = new Map<string, string[]>();
  for (const { from, to } of links) {
    sources.set(to, [...(sources.get(to) ?? []), from]);
  }
  const known = new Map<string, ReadonlySet<string>>();
  return (id) => {
    const answer = known.get(id) ?? collectSources(sources, id);
    known.set(id, answer);
    return answer;
  };
}

/** The cycles of a graph, each as the ids that lie on it. */
export function findCycles(ids: readonly string[], links: readonly Link[]): string[][] {
  const ancestors = ancestorsIn(links);
  const left = new Set(ids.filter((id) => ancestors(id).has(id)));
  const cycles: string[][] = [];
  for (const id of left) {
    const cycle = [...left].filter((other) => ancestors(id).has(other) && ancestors(other).has(id));
    for (const member of cycle) {
      left.delete(member);
    }
    cycles.push(cycle);
  }
  return cycles;
}

/** True when every path from `id` ends at `goal`, in a graph without cycles. */
export function leadsOnlyTo(id: string, goal: string, links: readonly Link[]): boolean {
  const seen = new Set<string>();
  const stack = [id];
  for (let current = stack.pop(); current !== undefined; current = stack.pop()) {
    if (current === goal || seen.has(current)) {
      continue;
    }
    seen.add(current);
    const targets = links.filter((link) => link.from === current).map((link) => link.to);
    if (targets.length === 0) {
      return false;
    }
    stack.push(...targets);
  }
  return true;
}

function collectSources(sources: ReadonlyMap<string, readonly string[]>, id: string): Set<string> {
  const found = new Set<string>();
  const stack = [...(sources.get(id) ?? [])];
  for (let source = stack.pop(); source !== undefined; source = stack.pop()) {
    if (!found.has(source)) {
      found.add(source);
      stack.push(...(sources.get(source) ?? []));
    }
  }
  return found;
}
