import { isRecord } from './json.ts';
import { listGraphs, readOutline } from './outline.ts';
import { joinPath } from './problem.ts';

/** A step that starts a run of another workflow, and where its config stands; `version` null is the latest. */
export type SubworkflowReference = {
  readonly path: string;
  readonly workflowId: string;
  readonly version: number | null;
};

/** Whatever a valid document names outside of itself: only whoever knows the organization can tell whether it is there. */
export function listSubworkflows(document: unknown): SubworkflowReference[] {
  const nodes = listGraphs(readOutline(document)).flatMap((graph) => graph.nodes);
  return nodes.flatMap(({ path, type, config }) => {
    if (type !== 'subworkflow' || !isRecord(config) || typeof config.workflowId !== 'string') return [];
    const version = typeof config.version === 'number' ? config.version : null;
    return [{ path: joinPath(path, 'config'), workflowId: config.workflowId.toLowerCase(), version }];
  });
}
