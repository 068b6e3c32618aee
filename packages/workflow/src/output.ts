import { type Json, setOwn } from './json.ts';
import type { Graph } from './plan.ts';
import type { PlannedTree } from './planned-tree.ts';
import type { Frame } from './state.ts';
import { nodeIdOf, stepKeyIn } from './step-keys.ts';

/** What the output of a run or an iteration is made of: a tree to evaluate, or the outputs of these steps. */
export type OutputSource =
  | { readonly type: 'tree'; readonly tree: PlannedTree }
  | { readonly type: 'steps'; readonly stepKeys: readonly string[] };

/**
 * Where the output comes from once nothing is left to run: the written `output`, else the succeeded nodes without a
 * taken outgoing edge, leaving out kinds that only steer.
 */
export function outputSource(graph: Graph, frame: Frame, scope: string): OutputSource {
  if (graph.output !== null) {
    return { type: 'tree', tree: graph.output };
  }
  const ends = [...graph.nodes.values()].filter((node) => {
    const isTakenFurther = node.outgoing.some((index) => frame.edges[index] === 'taken');
    return node.kind.isOutput && frame.steps[node.id]?.status === 'succeeded' && !isTakenFurther;
  });
  return { type: 'steps', stepKeys: ends.map((node) => stepKeyIn(scope, node.id)) };
}

/** No step gives null, one gives its output, several give an object of outputs by the id of their node. */
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
    setOwn(combined, nodeIdOf(stepKey), outputOf(stepKey));
  }
  return combined;
}
