import { type Json, setOwn } from './json.ts';
import type { Plan, PlannedTree } from './plan.ts';
import type { RunState } from './state.ts';

/** What the output of a run is made of: a tree to evaluate, or the outputs of these steps. */
export type OutputSource =
  | { readonly type: 'tree'; readonly tree: PlannedTree }
  | { readonly type: 'steps'; readonly stepKeys: readonly string[] };

/**
 * Where the output of a run comes from once nothing is left to run: the document's `output`, else the succeeded nodes
 * without a taken outgoing edge, leaving out kinds that only steer.
 */
export function outputSource(plan: Plan, state: RunState): OutputSource {
  if (plan.output !== null) {
    return { type: 'tree', tree: plan.output };
  }
  const ends = [...plan.nodes.values()].filter((node) => {
    const isTakenFurther = node.outgoing.some((index) => state.edges[index] === 'taken');
    return node.kind.isOutput && state.steps[node.id]?.status === 'succeeded' && !isTakenFurther;
  });
  return { type: 'steps', stepKeys: ends.map((node) => node.id) };
}

/** No step gives null, one gives its output, several give an object of outputs by step key. */
export function combineOutputs(stepKeys: readonly string[], outputOf: (stepKey: string) => Json): Json {
  const [only] = stepKeys;
  if (only === undefined) {
    return null;
  }
  if (stepKeys.length === 1) {
    return outputOf(only);
  }
  const combined: Record<string, Json> = {};
  for (const stepKey of stepKeys) {
    setOwn(combined, stepKey, outputOf(stepKey));
  }
  return combined;
}
