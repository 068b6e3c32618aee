import { condition } from './condition.ts';
import { httpRequest } from './http-request.ts';
import type { StepKind } from './kind.ts';
import { parallelJoin } from './parallel-join.ts';
import { transform } from './transform.ts';

const KINDS = new Map([httpRequest, condition, transform, parallelJoin].map((kind) => [kind.type, kind]));

/** Kinds the language knows and this version does not run yet: refused by name instead of "unknown". */
const LATER_KINDS = new Set([
  'switch',
  'foreach',
  'repeat',
  'delay',
  'wait.webhook',
  'approval',
  'subworkflow',
  'respond',
  'fail',
  'connector.action',
  'code.javascript',
  'agent.execute',
]);

/** The kind of that name, or undefined when no such kind can run. */
export function findKind(type: string): StepKind | undefined {
  return KINDS.get(type);
}

/** True for a kind that will exist but cannot run yet. */
export function isLaterKind(type: string): boolean {
  return LATER_KINDS.has(type);
}
