import { AppError } from '@millrace/shared/errors';
import { DEFAULT_ITEM_NAME } from '@millrace/workflow/steps/loop-config';
import { findKind } from '@millrace/workflow/steps/registry';
import { validateDefinition } from '@millrace/workflow/validate';

/** A document as a person is writing it: it may be unfinished, and hold anything. */
type Document = Record<string, unknown>;

/** A loop around a step: what its item is called, and which iteration the step is of. */
export interface LoopAround {
  id: string;
  as: string;
  index: number;
}

export interface FoundStep {
  node: Document;
  /** The nodes that edges of its graph come from. */
  incoming: string[];
  /** From the outside in. */
  loops: LoopAround[];
}

interface Place extends FoundStep {
  path: string;
}

/**
 * Finds a node of a document, in whatever loop, by its id or by the key of its step (`each.3.send`). Throws 400 when there
 * is none, and 422 with the problems of this node alone.
 */
export function findStep(dsl: Document, stepKey: string): FoundStep {
  const parts = stepKey.split('.');
  const found = findNode(dsl, parts.at(-1) ?? '', '', []);
  if (!found || !isPlaceOf(found, parts)) {
    const message = `the document has no step with the id ${stepKey}`;
    throw new AppError('BAD_REQUEST', undefined, { details: [{ path: 'stepId', code: 'UNKNOWN_STEP', message }] });
  }
  const checked = validateDefinition(dsl);
  const problems = checked.ok ? [] : checked.problems.filter(({ path }) => path.startsWith(found.path));
  if (problems.length > 0)
    throw new AppError('WORKFLOW_INVALID', 'This step cannot be executed yet; see details.', { details: problems });
  const loops = found.loops.map((loop, at) => ({ ...loop, index: Number(parts[2 * at + 1] ?? 0) || 0 }));
  return { node: found.node, incoming: found.incoming, loops };
}

/** Ids are unique in a document, so the first one found is the one meant. */
function findNode(graph: Document, id: string, prefix: string, loops: LoopAround[]): Place | undefined {
  const nodes: unknown[] = Array.isArray(graph.nodes) ? graph.nodes : [];
  for (const [index, node] of nodes.entries()) {
    if (!isDocument(node)) continue;
    const path = `${prefix}nodes[${index}]`;
    if (node.id === id) return { node, incoming: edgesTo(graph, id), loops, path };
    const config = isDocument(node.config) ? node.config : {};
    // Any other body is what a request sends, or an answer.
    if (!isDocument(config.body) || !findKind(String(node.type))?.loop) continue;
    const as = typeof config.as === 'string' ? config.as : DEFAULT_ITEM_NAME;
    const around = [...loops, { id: String(node.id), as, index: 0 }];
    const found = findNode(config.body, id, `${path}.config.body.`, around);
    if (found) return found;
  }
  return undefined;
}

function edgesTo(graph: Document, id: string): string[] {
  const edges: unknown[] = Array.isArray(graph.edges) ? graph.edges : [];
  return edges.flatMap((edge) => (isDocument(edge) && edge.to === id ? [String(edge.from)] : []));
}

/** A key, unlike an id, says which loops are around. */
function isPlaceOf({ loops }: Place, parts: string[]): boolean {
  if (parts.length === 1) return true;
  const isInLoops = loops.every(({ id }, at) => parts[2 * at] === id && /^\d{1,6}$/.test(parts[2 * at + 1] ?? ''));
  return isInLoops && parts.length === 2 * loops.length + 1;
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
