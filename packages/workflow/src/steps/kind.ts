import type { z } from 'zod';
import type { StepError } from '../events.ts';
import type { Json } from '../json.ts';

/** What a step can wait for besides its next attempt. `decision`: nobody knows whether its attempt had its effect. */
export type WaitFor = 'timer' | 'approval' | 'webhook' | 'subworkflow' | 'decision';

/** What a pure step is given: its evaluated config and, for a join, the outputs of the nodes it collects by their id. */
export type PureStepInput = { readonly config: Json; readonly collected: Readonly<Record<string, Json>> };

export type PureStepResult =
  | { readonly ok: true; readonly output: Json; readonly branch?: string }
  | { readonly ok: false; readonly error: StepError };

/** An evaluated config, and the time at which the step begins to wait (epoch milliseconds). */
export type WaitInput = { readonly config: Json; readonly at: number };

/** `for` null: this config asks for no waiting, the step has succeeded once it was begun. */
export type WaitResult =
  | { readonly ok: true; readonly for: WaitFor; readonly dueAt: number | null }
  | { readonly ok: true; readonly for: null }
  | { readonly ok: false; readonly error: StepError };

/** How often a loop runs its body, at most. */
export type LoopResult =
  | { readonly ok: true; readonly total: number }
  | { readonly ok: false; readonly error: StepError };

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
  /** The code of a config that does not fit, where a step fails with one of its own for the same reason. */
  readonly invalidCode?: string;
  /** Top-level keys of `config` that are taken literally: an expression in them is a problem. */
  readonly literalKeys: readonly string[];
  /** True when these are all: nothing of the kind is ever evaluated. */
  readonly isLiteral?: true;
  /** Names of the branches its edges may have, besides `error`. */
  readonly branches: readonly string[];
  /** Branches that a config, valid or not, names itself. */
  readonly namedBranches?: (config: unknown) => readonly string[];
  /** False for kinds that only steer: their output is not part of what the run answers. */
  readonly isOutput: boolean;
  /** Present when the kind needs nothing from outside; absent when the host executes it. */
  readonly run?: (input: PureStepInput) => PureStepResult;
  /** Present when the kind waits for something outside: what for, and until when at the latest. */
  readonly wait?: (input: WaitInput) => WaitResult;
  /** True when an attempt does something outside before it waits, if it waits at all: the host knows what. */
  readonly actsFirst?: true;
  /** The output of a wait that ended by the branch `timeout`. */
  readonly timeoutOutput?: Json;
  /** Present when the kind runs a body: how often, by its evaluated config. */
  readonly loop?: (config: Json) => LoopResult;
  /** Reads the gate from a valid config; absent for kinds that wait for all edges. */
  readonly gate?: (config: Readonly<Record<string, unknown>>) => Gate;
  /** What repeating an attempt does by itself, by a valid config; absent: `natural`, it does no harm. */
  readonly idempotency?: (config: Readonly<Record<string, unknown>>) => 'key' | 'natural';
};
