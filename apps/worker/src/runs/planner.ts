import type { Json } from '@millrace/workflow/json';
import { type Plan, planWorkflow } from '@millrace/workflow/plan';
import type { RetryDefaults } from '@millrace/workflow/retry';
import { type InputCheck, inputCheckOf } from '@millrace/workflow/triggers/input-schema';
import { upgradeDocument } from '@millrace/workflow/upgrade';
import { validateDefinition } from '@millrace/workflow/validate';

/** What executing runs of a version takes from its document. */
export interface PreparedVersion {
  readonly plan: Plan;
  readonly constants: Record<string, Json>;
  /** Whether the sender of its webhook waits for what a run answers. */
  readonly isAnswered: boolean;
  /** What is wrong with an input; null when any will do. */
  readonly checkInput: InputCheck | null;
}

type Prepared =
  | ({ readonly ok: true } & PreparedVersion)
  /** The stored document is not one this version can run; `problem` names the first reason. */
  | { readonly ok: false; readonly problem: string };

/** A published version of some organization's workflow. */
export interface VersionRef {
  orgId: string;
  workflowId: string;
  version: number;
}

export type Planner = (ref: VersionRef) => Promise<Prepared>;

const MAX_KEPT = 500;
/** Of their documents. Measured: a plan takes about seven bytes of memory for each. */
const MAX_CHARACTERS_KEPT = 8_000_000;

/**
 * Prepares published versions for running and keeps the most recently used ones, as long as they fit: a version never
 * changes. Never throws for a bad document, only for what `load` throws.
 */
export function createPlanner(defaults: RetryDefaults, load: (ref: VersionRef) => Promise<unknown>): Planner {
  const kept = new Map<string, { prepared: Prepared; characters: number }>();
  let characters = 0;
  const forget = (key: string) => {
    characters -= kept.get(key)?.characters ?? 0;
    kept.delete(key);
  };
  return async (ref) => {
    // With the organization in it: a cache may never answer one tenant with what belongs to another.
    const key = `${ref.orgId}:${ref.workflowId}:${ref.version}`;
    const entry = kept.get(key) ?? weigh(await load(ref), defaults);
    forget(key);
    kept.set(key, entry);
    characters += entry.characters;
    for (const [oldest] of kept) {
      if (oldest === key || (kept.size <= MAX_KEPT && characters <= MAX_CHARACTERS_KEPT)) break;
      forget(oldest);
    }
    return entry.prepared;
  };
}

function weigh(document: unknown, defaults: RetryDefaults): { prepared: Prepared; characters: number } {
  return { prepared: prepare(document, defaults), characters: JSON.stringify(document ?? null).length };
}

function prepare(document: unknown, defaults: RetryDefaults): Prepared {
  const validation = validateDefinition(upgradeDocument(document), { isPublished: true });
  if (!validation.ok) {
    const [first] = validation.problems;
    return { ok: false, problem: `${first?.path || 'document'}: ${first?.message ?? 'not valid'}` };
  }
  const { definition } = validation;
  // Constants come from a JSON document whose bounds were checked.
  const constants = (definition.constants ?? {}) as Record<string, Json>;
  const { trigger } = definition;
  const isAnswered = trigger.type === 'trigger.webhook' && trigger.config?.reply === 'result';
  return {
    ok: true,
    plan: planWorkflow(definition, defaults),
    constants,
    isAnswered,
    checkInput: inputCheckOf(definition),
  };
}
