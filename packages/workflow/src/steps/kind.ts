import type { z } from 'zod';
import type { Json } from '../json.ts';

/** What a pure step is given: its evaluated config and, for a join, the outputs of the nodes it collects. */
export type PureStepInput = { readonly config: Json; readonly collected: Readonly<Record<string, Json>> };

export type PureStepResult = { readonly output: Json; readonly branch?: string };

/**
 * When a node starts, besides "every incoming edge is settled and at least one is taken". `needed` edges taken are
 * enough; `cancelRest` stops what then only leads here.
 */
export type Gate = { readonly needed: number | 'all'; readonly cancelRest: boolean };

/** One kind of node. A new kind is one file that exports one of these, listed in the registry. */
export type StepKind = {
  readonly type: string;
  /** Shape of `config` before evaluation, when string values may still hold expressions. */
  readonly config: z.ZodType;
  /** Top-level keys of `config` that are taken literally: an expression in them is a problem. */
  readonly literalKeys: readonly string[];
  /** Names of the branches its edges may have, besides `error`. */
  readonly branches: readonly string[];
  /** False for kinds that only steer: their output is not part of what the run answers. */
  readonly isOutput: boolean;
  /** Present when the kind needs nothing from outside; absent when a connector executes it. */
  readonly run?: (input: PureStepInput) => PureStepResult;
  /** Reads the gate from a valid config; absent for kinds that wait for all edges. */
  readonly gate?: (config: Readonly<Record<string, unknown>>) => Gate;
};
