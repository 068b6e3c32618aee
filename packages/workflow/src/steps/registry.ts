import { approval } from './approval.ts';
import { condition } from './condition.ts';
import { delay } from './delay.ts';
import { fail } from './fail.ts';
import { foreach } from './foreach.ts';
import { httpRequest } from './http-request.ts';
import type { StepKind } from './kind.ts';
import { parallelJoin } from './parallel-join.ts';
import { repeat } from './repeat.ts';
import { respond } from './respond.ts';
import { subworkflow } from './subworkflow.ts';
import { switchKind } from './switch.ts';
import { transform } from './transform.ts';
import { waitWebhook } from './wait-webhook.ts';

const KINDS = new Map(
  [
    ...[httpRequest, condition, transform, parallelJoin, switchKind, fail, respond, foreach, repeat],
    ...[delay, waitWebhook, approval, subworkflow],
  ].map((kind) => [kind.type, kind]),
);

/** Every kind whose config the language knows. */
export const KIND_NAMES: readonly string[] = [...KINDS.keys()];

/** Kinds the language knows and this version does not run: refused by name. Deleting a line lets a kind be published. */
const LATER_KINDS = new Set(['connector.action', 'code.javascript', 'agent.execute']);

/** The same for parts of a document, by the shape of their path; `=none` is the value of the key. */
const LATER_PARTS = [/^trigger\.type=trigger\.connector$/, /\]\.(connection|runsOn)$/];

/** The kind of that name, or undefined when the language has none or does not know how it works yet. */
export function findKind(type: string): StepKind | undefined {
  return KINDS.get(type);
}

/** True for a kind that will exist but cannot run yet. */
export function isLaterKind(type: string): boolean {
  return LATER_KINDS.has(type);
}

/** True for a part of a document that will exist but cannot run yet. */
export function isLaterPart(path: string): boolean {
  return LATER_PARTS.some((pattern) => pattern.test(path));
}

/** The branches the edges of a node may have, besides `error`. */
export function branchesOf(kind: StepKind, config: unknown): readonly string[] {
  return [...(kind.namedBranches?.(config) ?? []), ...kind.branches];
}
