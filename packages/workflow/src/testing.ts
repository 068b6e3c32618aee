import type { Effect } from './effects.ts';
import type { StepError } from './events.ts';
import { type Plan, planWorkflow } from './plan.ts';
import { initialState, type RunState, type StepState } from './state.ts';
import { transition } from './transition.ts';
import { validateDefinition } from './validate.ts';

/** Plans a document that must be valid; throws with its problems otherwise. */
export function planOf(document: unknown, maxAttempts = 3): Plan {
  const validation = validateDefinition(document, { allowLater: true });
  if (!validation.ok) {
    throw new Error(JSON.stringify(validation.problems));
  }
  return planWorkflow(validation.definition, { maxAttempts, backoffMs: 1000 });
}

/** A run driven by hand: every call feeds one event and remembers what the engine asked for. */
export type DrivenRun = {
  readonly effects: Effect[];
  state(): RunState;
  start(): void;
  succeed(stepKey: string, branch?: string): void;
  fail(stepKey: string, error?: Partial<StepError>): void;
  retryDue(at: number): void;
  cancel(): void;
  finish(): void;
  step(stepKey: string): StepState['status'] | undefined;
  /** The attempts started so far, as `<step>#<attempt>`. */
  started(): string[];
};

/** A started run of a plan. Failures are final unless the error says `retryable`; time stands at 0. */
export function driveRun(plan: Plan): DrivenRun {
  let state = initialState(plan);
  const effects: Effect[] = [];
  const send = (event: Parameters<typeof transition>[2]) => {
    const [next, asked] = transition(plan, state, event);
    state = next;
    effects.push(...asked);
  };
  const attemptOf = (stepKey: string) => {
    const step = state.steps[stepKey];
    return step !== undefined && 'attempt' in step ? step.attempt : 0;
  };
  const run: DrivenRun = {
    effects,
    state: () => state,
    start: () => send({ type: 'run.started', at: 0 }),
    succeed: (stepKey, branch) =>
      send({
        type: 'step.succeeded',
        stepKey,
        attempt: attemptOf(stepKey),
        ...(branch === undefined ? {} : { branch }),
        at: 0,
      }),
    fail: (stepKey, error) => {
      const full = { code: 'BOOM', message: 'it broke', retryable: false, ...error };
      send({ type: 'step.failed', stepKey, attempt: attemptOf(stepKey), error: full, at: 0, random: 0.5 });
    },
    retryDue: (at) => send({ type: 'time.passed', at }),
    cancel: () => send({ type: 'run.cancelled', at: 0 }),
    finish: () => send({ type: 'output.evaluated', scope: '', at: 0 }),
    step: (stepKey) => state.steps[stepKey]?.status,
    started: () => effects.flatMap((it) => (it.type === 'startStep' ? [`${it.stepKey}#${it.attempt}`] : [])),
  };
  run.start();
  return run;
}
