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

/**
 * Answers the ids whose every path ends at `goal`, in a graph without cycles. Each answer takes time in proportion to the
 * edges that lead there: a document of 1,000 nodes may ask for each of them.
 */
export function leadingOnlyTo(links: readonly Link[]): (goal: string) => string[] {
  const sources = new Map<string, string[]>();
  const targetCounts = new Map<string, number>();
  for (const { from, to } of links) {
    const known = sources.get(to);
    if (known === undefined) sources.set(to, [from]);
    else known.push(from);
    targetCounts.set(from, (targetCounts.get(from) ?? 0) + 1);
  }
  return (goal) => {
    const found: string[] = [];
    const elsewhere = new Map<string, number>();
    const stack = [goal];
    for (let target = stack.pop(); target !== undefined; target = stack.pop()) {
      for (const source of sources.get(target) ?? []) {
        const left = (elsewhere.get(source) ?? targetCounts.get(source) ?? 0) - 1;
        elsewhere.set(source, left);
        if (left > 0) continue;
        found.push(source);
        stack.push(source);
      }
    }
    return found;
  };
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
