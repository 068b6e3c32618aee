import type { Json } from '@millrace/workflow/json';
import { type Plan, planWorkflow } from '@millrace/workflow/plan';
import type { RetryDefaults } from '@millrace/workflow/retry';
import { validateDefinition } from '@millrace/workflow/validate';

type Prepared =
  | { readonly ok: true; readonly plan: Plan; readonly constants: Record<string, Json> }
  /** The stored document is not one this version can run; `problem` names the first reason. */
  | { readonly ok: false; readonly problem: string };

export type Planner = (version: { workflowId: string; version: number; definition: unknown }) => Prepared;

const CAPACITY = 500;

/**
 * Prepares published versions for running and keeps the most recently used ones: a version never changes. Never throws
 * for a bad document.
 */
export function createPlanner(defaults: RetryDefaults): Planner {
  const prepared = new Map<string, Prepared>();
  return ({ workflowId, version, definition }) => {
    const key = `${workflowId}:${version}`;
    const entry = prepared.get(key) ?? prepare(definition, defaults);
    prepared.delete(key);
    prepared.set(key, entry);
    const [oldest] = prepared.keys();
    if (prepared.size > CAPACITY && oldest !== undefined) prepared.delete(oldest);
    return entry;
  };
}

function prepare(document: unknown, defaults: RetryDefaults): Prepared {
  const validation = validateDefinition(document);
  if (!validation.ok) {
    const [first] = validation.problems;
    return { ok: false, problem: `${first?.path || 'document'}: ${first?.message ?? 'not valid'}` };
  }
  const { definition } = validation;
  // Constants come from a JSON document whose bounds were checked.
  const constants = (definition.constants ?? {}) as Record<string, Json>;
  return { ok: true, plan: planWorkflow(definition, defaults), constants };
}
