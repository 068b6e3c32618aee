import type { Effect } from './effects.ts';
import type { RunError, RunEvent, StepError } from './events.ts';
import { evaluateExpressions } from './expression.ts';
import { isRecord, type Json } from './json.ts';
import { findStep, type Located, locate } from './locate.ts';
import { combineOutputs } from './output.ts';
import type { Plan } from './plan.ts';
import type { PlannedTree } from './planned-tree.ts';
import { initialState, type RunState } from './state.ts';
import { iterationScope, nodeIdOf, scopeOf } from './step-keys.ts';
import { isTruthy } from './steps/truth.ts';
import { bind, type Known } from './testing-bindings.ts';
import { transition } from './transition.ts';

/** What a call answers, attempt by attempt; the last answer is repeated. */
type Answer = { readonly output: Json } | { readonly error: Partial<StepError> };

/** A host that keeps everything in memory: real expressions, real kinds, and calls that answer what they are told to. */
export type MemoryHost = {
  state: RunState;
  readonly outputs: Map<string, Json>;
  readonly statuses: Map<string, string>;
  readonly started: string[];
  output: Json | undefined;
  error: RunError | undefined;
  send(event: RunEvent): Promise<void>;
};

type StartStep = Extract<Effect, { type: 'startStep' }>;

type Host = MemoryHost &
  Known & {
    readonly answers: Readonly<Record<string, readonly Answer[]>>;
    readonly onState: (state: RunState) => void;
  };

type Options = { input?: Json; answers?: Record<string, Answer[]>; onState?: (state: RunState) => void };

/** Starts a run. `answers` holds those of calls by the key of their step or the id of their node; time stands at 0. */
export async function startRun(
  plan: Plan,
  { input = null, answers = {}, onState = () => {} }: Options = {},
): Promise<MemoryHost> {
  const host: Host = {
    ...{ plan, input, answers, onState, state: initialState(plan), started: [], output: undefined, error: undefined },
    ...{ outputs: new Map(), statuses: new Map(), errors: new Map(), items: new Map() },
    send: (event) => handle(host, event),
  };
  await host.send({ type: 'run.started', at: 0 });
  return host;
}

async function handle(host: Host, event: RunEvent): Promise<void> {
  const queue: RunEvent[] = [event];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [state, effects] = transition(host.plan, host.state, next);
    host.state = state;
    host.onState(state);
    for (const effect of effects) {
      const answer = await perform(host, effect);
      queue.push(...(answer === null ? [] : [answer]));
    }
  }
}

async function perform(host: Host, effect: Effect): Promise<RunEvent | null> {
  switch (effect.type) {
    case 'startStep':
      return startStep(host, effect);
    case 'evaluateOutput':
      return evaluateOutput(host, effect);
    case 'evaluateUntil':
      return evaluateUntil(host, effect);
    case 'collectIterations': {
      const values = Array.from({ length: effect.total }, (_, index) =>
        outputAt(host, iterationScope(effect.stepKey, index)),
      );
      return succeed(host, effect.stepKey, values);
    }
    default:
      note(host, effect);
      return null;
  }
}

function note(host: Host, effect: Effect): void {
  switch (effect.type) {
    case 'finishIteration':
      if (effect.status === 'failed') {
        host.outputs.set(effect.scope, { error: { ...effect.error } });
      }
      break;
    case 'finishRun':
      host.error = effect.status === 'failed' ? effect.error : undefined;
      break;
    case 'succeedStep':
      host.outputs.set(effect.stepKey, effect.output);
      host.statuses.set(effect.stepKey, 'succeeded');
      break;
    case 'failStep':
      host.errors.set(effect.stepKey, { code: effect.error.code, message: effect.error.message });
      host.statuses.set(effect.stepKey, 'failed');
      break;
    case 'skipStep':
      host.statuses.set(effect.stepKey, 'skipped');
      break;
    case 'cancelStep':
    case 'abortStep':
      host.statuses.set(effect.stepKey, 'cancelled');
      break;
    default:
  }
}

async function startStep(host: Host, effect: StartStep): Promise<RunEvent | null> {
  const { stepKey, attempt, collect } = effect;
  const located = locate(host.plan, stepKey);
  const current = findStep(host.state, stepKey);
  if (located === null || current?.status !== 'running' || current.attempt !== attempt) {
    return null;
  }
  host.started.push(`${stepKey}#${attempt}`);
  const config = await evaluate(host, located.node.config, scopeOf(stepKey));
  if (!config.ok) {
    return fail(stepKey, attempt, config.error);
  }
  const { kind } = located.node;
  if (kind.run !== undefined) {
    const collected = Object.fromEntries((collect ?? []).map((key) => [nodeIdOf(key), outputAt(host, key)]));
    const result = kind.run({ config: config.value, collected });
    return result.ok ? succeed(host, stepKey, result.output, result.branch) : fail(stepKey, attempt, result.error);
  }
  if (kind.wait !== undefined) {
    const result = kind.wait({ config: config.value, at: 0 });
    if (!result.ok) {
      return fail(stepKey, attempt, result.error);
    }
    return result.for === null
      ? succeed(host, stepKey, null)
      : { type: 'step.waits', stepKey, attempt, for: result.for, dueAt: result.dueAt, at: 0 };
  }
  return kind.loop === undefined ? call(host, stepKey, attempt) : startLoop(host, located, effect, config.value);
}

function startLoop(host: Host, { node }: Located, { stepKey, attempt }: StartStep, config: Json): RunEvent {
  const result = node.kind.loop?.(config) ?? { ok: true, total: 0 };
  host.items.set(stepKey, isRecord(config) && Array.isArray(config.items) ? config.items : []);
  return result.ok
    ? { type: 'loop.started', stepKey, attempt, total: result.total, at: 0 }
    : fail(stepKey, attempt, result.error);
}

/** A call whose answers are not told stays open: the test ends it. */
function call(host: Host, stepKey: string, attempt: number): RunEvent | null {
  const answers = host.answers[stepKey] ?? host.answers[nodeIdOf(stepKey)] ?? [];
  const answer = answers[attempt - 1] ?? answers.at(-1);
  if (answer === undefined) {
    return null;
  }
  return 'output' in answer
    ? succeed(host, stepKey, answer.output)
    : fail(stepKey, attempt, { code: 'BOOM', message: 'it broke', retryable: false, ...answer.error });
}

function succeed(host: Host, stepKey: string, output: Json, branch?: string): RunEvent {
  const step = findStep(host.state, stepKey);
  host.outputs.set(stepKey, output);
  host.statuses.set(stepKey, 'succeeded');
  const attempt = step !== undefined && 'attempt' in step ? step.attempt : 0;
  return { type: 'step.succeeded', stepKey, attempt, at: 0, ...(branch === undefined ? {} : { branch }) };
}

function fail(stepKey: string, attempt: number, error: StepError): RunEvent {
  return { type: 'step.failed', stepKey, attempt, error, at: 0, random: 0 };
}

async function evaluateOutput(
  host: Host,
  { scope, source }: Extract<Effect, { type: 'evaluateOutput' }>,
): Promise<RunEvent> {
  const result: Evaluated =
    source.type === 'tree'
      ? await evaluate(host, source.tree, scope)
      : { ok: true, value: combineOutputs(source.stepKeys, (key) => outputAt(host, key)) };
  if (!result.ok) {
    return { type: 'output.failed', scope, error: { code: result.error.code, message: result.error.message }, at: 0 };
  }
  if (scope === '') {
    host.output = result.value;
  } else {
    host.outputs.set(scope, result.value);
  }
  return { type: 'output.evaluated', scope, at: 0 };
}

async function evaluateUntil(
  host: Host,
  { stepKey, index }: Extract<Effect, { type: 'evaluateUntil' }>,
): Promise<RunEvent> {
  const until = locate(host.plan, stepKey)?.node.loop?.until ?? null;
  const result: Evaluated =
    until === null ? { ok: true, value: true } : await evaluate(host, until, iterationScope(stepKey, index));
  return result.ok
    ? { type: 'until.evaluated', stepKey, index, holds: isTruthy(result.value), at: 0 }
    : { type: 'until.failed', stepKey, index, error: result.error, at: 0 };
}

type Evaluated = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly error: StepError };

async function evaluate(host: Host, { tree, reads }: PlannedTree, scope: string): Promise<Evaluated> {
  const bindings = bind(host, reads, scope);
  const result = await evaluateExpressions({ templates: tree, path: 'config', bindings, now: 0, seed: scope });
  return result.ok ? result : { ok: false, error: { ...result.error, retryable: false } };
}

function outputAt(host: Host, key: string): Json {
  return host.outputs.get(key) ?? null;
}
