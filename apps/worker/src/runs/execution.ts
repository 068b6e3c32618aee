import type { ActionFailure } from '@millrace/connectors/run-action';
import type { ChildRun } from '@millrace/db/child-runs';
import type { CollectedAttempt } from '@millrace/db/run-attempts';
import type { StepRecord } from '@millrace/db/run-ownership';
import type { RunError } from '@millrace/workflow/events';
import { isLongerThan, type Json } from '@millrace/workflow/json';
import { locate } from '@millrace/workflow/locate';
import type { Plan } from '@millrace/workflow/plan';
import { initialState, type RunState } from '@millrace/workflow/state';
import type { Deps } from '../deps.ts';
import { createInbox, type Inbox } from './inbox.ts';
import type { Lease } from './lease.ts';
import { noOffers, type Offers } from './offers.ts';
import type { PreparedVersion } from './planner.ts';
import type { TracedRun } from './traced-run.ts';

/** An attempt that is recorded as running and may be started. */
export interface PlannedAttempt {
  stepKey: string;
  attempt: number;
  input: Json;
  /** Only the owner can execute it, or nobody else did; undefined: nobody has looked yet. */
  staysHere?: boolean;
}

/** What happened since the last record: it becomes visible, and acts, only when it is recorded as a whole (R1). */
export interface Changes {
  isDirty: boolean;
  /** True from the result of an outside effect on: it must be stored before anything slow or risky happens. */
  holdsResult: boolean;
  steps: Map<string, StepRecord>;
  /** Large values among those of the steps. */
  largeCount: number;
  starts: PlannedAttempt[];
  aborts: string[];
  output: Json | undefined;
  error: RunError | undefined;
  /** What happened, for the run's timeline; names and statuses only, and why something failed. */
  entries: TimelineEntry[];
  /** Numbers of the signals taken in: read once this is recorded. */
  signals: number[];
}

export type TimelineEntry = { readonly type: string } & Readonly<Record<string, Json | undefined>>;

/** `child` is the run that the attempt has started. */
export type AttemptOutcome =
  | { ok: true; output: Json; child?: ChildRun & { isAwaited: boolean } }
  | { ok: false; error: ActionFailure };

export type Message =
  | { type: 'attempt'; stepKey: string; attempt: number; outcome: AttemptOutcome }
  /** What the database says of attempts that were offered to all workers. */
  | { type: 'collected'; collected: readonly CollectedAttempt[] }
  | { type: 'due' }
  | { type: 'signals' }
  /** An attempt that waits for a slot of the process may be started. */
  | { type: 'slotFree' }
  | { type: 'leaseLost' }
  | { type: 'drain' }
  | { type: 'stop' };

/** One claimed run while this process owns it. Everything here dies with the claim. */
export interface Execution {
  readonly deps: Deps;
  readonly claim: TracedRun;
  readonly plan: Plan;
  readonly constants: Record<string, Json>;
  /** Whether somebody may wait for what it answers. */
  readonly isAnswered: boolean;
  readonly lease: Lease;
  /** PostgreSQL's time in epoch milliseconds, carried on from the claim: the machine's own clock may be wrong. */
  readonly clock: () => number;
  readonly inbox: Inbox<Message>;
  /** Called once a step's end is recorded, maybe more than once. */
  readonly onProgress: () => void;
  state: RunState;
  /** The state before the last event. */
  stateBefore: RunState;
  /** True once a record has given the run up: then it belongs to whoever claims it next. */
  isGivenUp: boolean;
  /** True while somebody may have said something that was not taken in yet. */
  isSpokenTo: boolean;
  /** The evaluation that keeps the run waiting; aborted when the run is cancelled. */
  evaluation: AbortController | null;
  /** Why the run failed, once that is being recorded. */
  endError: RunError | null;
  changes: Changes;
  /** Attempts in flight; one that is removed here may still end, its outcome is dropped. */
  readonly attempts: Map<string, { attempt: number; controller: AbortController }>;
  /** Recorded, but over a limit of attempts in flight. */
  readonly waiting: PlannedAttempt[];
  /** Steps that this process will not begin any more, because it ends. */
  readonly neverBegun: string[];
  readonly onSlotFree: () => void;
  /** Those in flight that any worker may execute. */
  readonly offers: Offers;
  /** Evaluated inputs of steps that may need another attempt (evaluated once, sent with every attempt). */
  readonly inputs: Map<string, Json>;
  readonly outputs: Map<string, Json>;
  readonly errors: Map<string, { code: string; message: string }>;
  /** The organization's variables, once a step of this claim has read them. */
  vars: Record<string, Json> | undefined;
  /** The highest attempt of any step so far. */
  attemptCount: number;
  dueTimer: NodeJS.Timeout | undefined;
}

export function openExecution(
  deps: Deps,
  claim: TracedRun,
  { plan, constants, isAnswered }: PreparedVersion,
  lease: Lease,
  onProgress: () => void,
): Execution {
  const inbox = createInbox<Message>();
  // What this program wrote into the row earlier. Were it anything else, the run would fail by an exception.
  const state = claim.state === null ? initialState(plan) : (claim.state as RunState);
  return {
    deps,
    claim,
    plan,
    constants,
    isAnswered: isAnswered && claim.triggerType === 'trigger.webhook',
    lease,
    clock: () => Math.floor(claim.nowMs + performance.now() - lease.claimedAt),
    inbox,
    onProgress,
    state,
    stateBefore: state,
    isGivenUp: false,
    isSpokenTo: claim.hasSignals,
    evaluation: null,
    endError: null,
    changes: noChanges(),
    attempts: new Map(),
    waiting: [],
    neverBegun: [],
    offers: noOffers(),
    onSlotFree: () => inbox.push({ type: 'slotFree' }),
    inputs: new Map(),
    outputs: new Map(),
    errors: new Map(),
    vars: undefined,
    attemptCount: claim.attemptCount,
    dueTimer: undefined,
  };
}

/** Whether the program ends and need not, or can no longer, wait for the attempts of this run. */
export function isHandingBack({ deps: { shutdown }, attempts }: Execution): boolean {
  return shutdown.stopping.aborted || (shutdown.draining.aborted && attempts.size === 0);
}

export function noChanges(): Changes {
  return {
    isDirty: false,
    holdsResult: false,
    steps: new Map(),
    largeCount: 0,
    starts: [],
    aborts: [],
    output: undefined,
    error: undefined,
    entries: [],
    signals: [],
  };
}

/** A value whose text is longer is not kept in memory for long. */
export const LARGE_CHARACTERS = 64 * 1024;

/** The type of the row that holds an iteration's value, under the key of its scope. */
export const ITERATION = 'iteration';

/** Notes what becomes of a step; an input noted before stays unless a new one is given. */
export function noteStep(run: Execution, step: Omit<StepRecord, 'type'>): void {
  const noted = run.changes.steps.get(step.stepKey);
  const kept = noted?.input === undefined ? {} : { input: noted.input };
  const type = locate(run.plan, step.stepKey)?.node.kind.type ?? ITERATION;
  run.changes.steps.set(step.stepKey, { ...kept, ...step, type });
  run.changes.isDirty = true;
  for (const value of [step.input, step.output] as (Json | undefined)[])
    if (isLongerThan(value, LARGE_CHARACTERS)) run.changes.largeCount += 1;
  if (type === ITERATION) return;
  const { stepKey: stepId, status, attempt, error } = step;
  run.changes.entries.push({ type: `step.${status}`, stepId, attempt, error: error as RunError | undefined });
}
