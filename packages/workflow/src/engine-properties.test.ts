import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect } from './effects.ts';
import type { RunEvent } from './events.ts';
import type { Json } from './json.ts';
import { findStep, locate, locateScope } from './locate.ts';
import type { Plan } from './plan.ts';
import { resume } from './resume.ts';
import { retryState } from './retry-state.ts';
import { listSteps, nextDueAt, runStatus } from './run-status.ts';
import { type Frame, hasEnded, initialState, type LoopState, type RunState, type StepState } from './state.ts';
import { iterationScope, scopeOf, stepKeyIn } from './step-keys.ts';
import { unusedOptions } from './steps/options.ts';
import { findKind } from './steps/registry.ts';
import { planOf } from './testing.ts';
import { transition } from './transition.ts';

const TERMINAL = ['succeeded', 'failed', 'skipped', 'cancelled'];

/** Random numbers a node is made of; `body` is what a loop runs. */
type Shape = {
  kind: number;
  onError: number;
  pick: number;
  sources: number[];
  body: Shape[];
};

const KINDS = [
  'transform',
  'parallel.join',
  'condition',
  'http.request',
  'delay',
  'approval',
  'wait.webhook',
  'subworkflow',
];
const LOOPS = ['foreach', 'repeat'];

const shapesOf = (depth: number, maxLength: number): fc.Arbitrary<Shape[]> =>
  fc.array(
    fc.record({
      kind: fc.nat(KINDS.length + (depth > 0 ? 5 : -1)),
      onError: fc.nat(2),
      pick: fc.nat(11),
      sources: fc.uniqueArray(fc.nat(20), { maxLength: 4 }),
      body: depth === 0 ? fc.constant([]) : shapesOf(depth - 1, 3),
    }),
    { minLength: 1, maxLength, size: 'max' },
  );

const CONFIGS: Record<string, (pick: number) => object> = {
  transform: () => ({ value: 1 }),
  condition: () => ({ if: true }),
  'http.request': () => ({ method: 'GET', url: 'https://example.com' }),
  delay: (pick) => ({ for: pick * 100 }),
  approval: (pick) => ({ by: 'admin', ...(pick % 2 === 0 ? { timeoutMs: 300 } : {}) }),
  'wait.webhook': (pick) => (pick % 2 === 0 ? { timeoutMs: 200 } : {}),
  subworkflow: () => ({ workflowId: '018f2c5e-0000-7000-8000-000000000000' }),
};

function configOf(type: string, { pick, body }: Shape, incoming: number, id: string): object {
  if (type === 'parallel.join') {
    const modes = [{ mode: 'all' }, { mode: 'any' }, { mode: 'count', count: 1 + (pick % incoming) }];
    return { ...modes[pick % 3], cancelRest: pick > 5 };
  }
  const loop = { as: `${id}Item`, onItemError: pick % 2 === 0 ? 'fail' : 'collect', body: graphOf(body, `${id}x`) };
  if (type === 'foreach') {
    return { ...loop, items: [], concurrency: 1 + (pick % 3) };
  }
  return type === 'repeat' ? { ...loop, until: false, maxTimes: 3 } : (CONFIGS[type]?.(pick) ?? {});
}

/** Turns random numbers into a valid graph: edges only lead forward, branches fit their sources. */
function graphOf(shapes: readonly Shape[], prefix: string): object {
  const links = shapes.flatMap(({ sources }, index) => {
    const before = sources.filter(() => index > 0).map((source) => source % index);
    const chosen = index > 0 && before.length === 0 ? [index - 1] : [...new Set(before)];
    return chosen.map((from) => ({ from, to: index, pick: (from * 7 + index) % 3 }));
  });
  const nodes = shapes.map((shape, index) => {
    const id = `${prefix}${index}`;
    const incoming = links.filter((link) => link.to === index).length;
    const wanted = KINDS[shape.kind] ?? LOOPS[shape.kind % 2] ?? 'transform';
    const type = wanted === 'parallel.join' && incoming === 0 ? 'transform' : wanted;
    const hasEdge = links.some((link) => link.from === index);
    const onError = ['fail', 'continue', hasEdge ? 'branch' : 'continue'][shape.onError];
    const kind = findKind(type);
    const isRetried = kind !== undefined && !unusedOptions(kind).includes('retry');
    const options = isRetried ? { retry: { maxAttempts: 2, backoffMs: 100 } } : {};
    const idempotency = type === 'http.request' && shape.pick % 2 === 0 ? { idempotency: 'none' } : {};
    return { id, type, onError, ...options, ...idempotency, config: configOf(type, shape, incoming, id) };
  });
  const edges = links.map(({ from, to, pick }) => {
    const source = nodes[from];
    const ends = { from: `${prefix}${from}`, to: `${prefix}${to}` };
    if (source?.onError === 'branch' && links.find((link) => link.from === from)?.to === to) {
      return { ...ends, branch: 'error' };
    }
    return { ...ends, ...[BRANCHES[source?.type ?? '']?.[pick] ?? {}][0] };
  });
  return shapes.length > 1 ? { nodes, edges } : { nodes };
}

const BRANCHES: Record<string, object[]> = {
  condition: [{ branch: 'true' }, { branch: 'false' }],
  approval: [{ branch: 'approved' }, { branch: 'rejected' }, { branch: 'timeout' }],
  'wait.webhook': [{ branch: 'timeout' }],
};

const plans = fc
  .record({
    main: shapesOf(2, 6),
    onFailure: fc.option(shapesOf(1, 3)),
    timeoutMs: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, fc.integer({ min: 1, max: 100_000 })),
  })
  .map(({ main, onFailure, timeoutMs }) => {
    const settings = {
      ...(onFailure === null ? {} : { onFailure: graphOf(onFailure, 'f') }),
      ...(timeoutMs === null ? {} : { timeoutMs }),
    };
    return planOf({ version: 'v2', trigger: { type: 'trigger.manual' }, ...graphOf(main, 'n'), settings });
  });

/** One random choice: which of the possible things happens next, and how. */
type Choice = { pick: number; outcome: number; random: number };

/** Used round and round: a run ends after fewer rounds than MAX_ROUNDS, however long that takes. */
const choices = fc.array(
  fc.record({ pick: fc.nat(100), outcome: fc.nat(11), random: fc.double({ min: 0, max: 0.99, noNaN: true }) }),
  { minLength: 30, maxLength: 30 },
);
const MAX_ROUNDS = 3000;

const ERROR = { code: 'BOOM', message: 'it broke', retryable: false };

/** Everything that can happen next in a world in which anything that can happen may happen, in any order. */
function possibleEvents(plan: Plan, state: RunState, choice: Choice, at: number): RunEvent[] {
  if (state.status === 'created') {
    return [{ type: 'run.started', at }];
  }
  if (state.status === 'output') {
    return [choice.outcome > 10 ? outputFailed('', at) : { type: 'output.evaluated', scope: '', at }];
  }
  const due = nextDueAt(state);
  const time: RunEvent[] = due === null ? [] : [{ type: 'time.passed', at: Math.max(at, due) }];
  const steps = listSteps(state).flatMap(({ stepKey, step }): RunEvent[] => {
    if (step.status === 'waiting') {
      return awaitedEvent(stepKey, step, choice, at);
    }
    if (step.status !== 'running') {
      return [];
    }
    return step.loop === undefined
      ? [attemptEvent(plan, stepKey, step.attempt, choice, at)]
      : loopEvents(stepKey, step.attempt, step.loop, choice, at);
  });
  return [...steps, ...time];
}

const outputFailed = (scope: string, at: number): RunEvent => ({ type: 'output.failed', scope, error: ERROR, at });

function awaitedEvent(stepKey: string, step: StepState, { outcome }: Choice, at: number): RunEvent[] {
  if (step.status !== 'waiting' || step.for === 'retry' || step.for === 'timer') {
    return [];
  }
  if (step.for === 'decision') {
    const decision = (['retry', 'skip', 'fail'] as const)[outcome % 3] ?? 'skip';
    return [
      { type: 'step.decided', stepKey, attempt: step.attempt, decision: step.attempt > 3 ? 'skip' : decision, at },
    ];
  }
  const branch = step.for === 'approval' ? { branch: outcome % 2 === 0 ? 'approved' : 'rejected' } : {};
  return outcome > 9
    ? [{ type: 'step.resumeFailed', stepKey, error: ERROR, at }]
    : [{ type: 'step.resumed', stepKey, ...branch, at }];
}

function attemptEvent(plan: Plan, stepKey: string, attempt: number, choice: Choice, at: number): RunEvent {
  const { outcome, random, pick } = choice;
  const node = locate(plan, stepKey)?.node;
  if (outcome > 8) {
    return { type: 'step.failed', stepKey, attempt, error: { ...ERROR, retryable: outcome > 9 }, at, random };
  }
  if (node?.idempotency === 'none' && outcome > 6) {
    return { type: 'step.unknown', stepKey, attempt, at };
  }
  if (node !== undefined && node.loop !== null) {
    return { type: 'loop.started', stepKey, attempt, total: pick % 4, at };
  }
  const config = node?.config.tree as Json;
  const wait = node?.kind.wait?.({ config, at });
  if (wait?.ok && wait.for !== null) {
    return { type: 'step.waits', stepKey, attempt, for: wait.for, dueAt: wait.dueAt, at };
  }
  const branch = node?.kind.type === 'condition' ? { branch: outcome % 2 === 0 ? 'true' : 'false' } : {};
  return { type: 'step.succeeded', stepKey, attempt, ...branch, at };
}

function loopEvents(stepKey: string, attempt: number, loop: LoopState, choice: Choice, at: number): RunEvent[] {
  if (loop.done >= loop.total) {
    return [{ type: 'step.succeeded', stepKey, attempt, at }];
  }
  return Object.entries(loop.frames).flatMap(([key, { phase }]): RunEvent[] => {
    const index = Number(key);
    const scope = iterationScope(stepKey, index);
    const fails = choice.outcome > 10;
    if (phase === 'output') {
      return [fails ? outputFailed(scope, at) : { type: 'output.evaluated', scope, at }];
    }
    if (phase === 'until') {
      return [
        fails
          ? { type: 'until.failed', stepKey, index, error: ERROR, at }
          : { type: 'until.evaluated', stepKey, index, holds: choice.outcome % 3 === 0, at },
      ];
    }
    return [];
  });
}

/** `effects[n]` came of `events[n]`, which led from `states[n]` to `states[n + 1]`. */
type History = { states: RunState[]; events: RunEvent[]; effects: Effect[][] };

/** Plays a run to its end; `cancelAt` is the round in which it is cancelled. */
function play(plan: Plan, chosen: readonly Choice[], { cancelAt = -1, from = initialState(plan) } = {}): History {
  const history: History = { states: [from], events: [], effects: [] };
  for (let round = 0; round < MAX_ROUNDS && !hasEnded(last(history)); round += 1) {
    const state = last(history);
    const choice = chosen[(round * 7 + Math.floor(round / chosen.length)) % chosen.length] as Choice;
    const possible = possibleEvents(plan, state, choice, round * 1000);
    const event =
      round === cancelAt ? ({ type: 'run.cancelled', at: round } as const) : possible[choice.pick % possible.length];
    if (event === undefined) {
      throw new Error(`nothing can happen any more: ${JSON.stringify(state)}`);
    }
    const [next, effects] = transition(plan, state, event);
    history.states.push(next);
    history.events.push(event);
    history.effects.push(effects);
  }
  return history;
}

const last = (history: History): RunState => history.states.at(-1) as RunState;

/** The frames of a state by their scope. */
function framesOf(state: RunState): Map<string, Frame> {
  const loops = listSteps(state).flatMap(({ stepKey, step }) =>
    step.status === 'running'
      ? Object.entries(step.loop?.frames ?? {}).map(
          ([index, frame]) => [iterationScope(stepKey, Number(index)), frame] as const,
        )
      : [],
  );
  return new Map([
    ['', state],
    ...(state.onFailure === undefined ? [] : [['onFailure', state.onFailure] as const]),
    ...loops,
  ]);
}

test('rules 5 and 15: every run ends, with every step in an end status and exactly one finish', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const history = play(plan, chosen);
      expect(['succeeded', 'failed']).toContain(last(history).status);
      expect(listSteps(last(history)).every(({ step }) => TERMINAL.includes(step.status))).toBe(true);
      expect(history.effects.flat().filter((effect) => effect.type === 'finishRun')).toHaveLength(1);
    }),
    { numRuns: 1000 },
  );
});

test('a run that has not ended is worked on, due at a time, or waits for something with a name', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      for (const state of play(plan, chosen).states.filter((it) => !hasEnded(it))) {
        const { status, nextAttemptAt } = runStatus(state);
        const isAwaited = listSteps(state).some(
          ({ step }) => step.status === 'waiting' && !['retry', 'timer'].includes(step.for),
        );
        const isWorkedOn = resume(plan, state, 0)[1].length > 0;
        expect(
          status === 'running' || state.status === 'created' ? isWorkedOn : nextAttemptAt !== null || isAwaited,
        ).toBe(true);
        expect(
          listSteps(state).every(
            ({ step }) => step.status !== 'waiting' || step.dueAt !== null || step.for !== 'retry',
          ),
        ).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('the same event twice changes nothing the second time', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states, events } = play(plan, chosen);
      for (const [index, event] of events.entries()) {
        const after = states[index + 1] as RunState;
        expect(transition(plan, after, event)[1]).toEqual([]);
        expect(transition(plan, after, event)[0]).toBe(after);
      }
    }),
    { numRuns: 500 },
  );
});

test('rule 17: a run that ended ignores every event', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(40), (plan, chosen, cancelAt) => {
      const history = play(plan, chosen, { cancelAt });
      const end = last(history);
      const others: RunEvent[] = [
        { type: 'run.started', at: 0 },
        { type: 'run.cancelled', at: 0 },
        { type: 'time.passed', at: 1e15 },
        { type: 'output.failed', scope: '', error: { code: 'X', message: 'x' }, at: 0 },
      ];
      for (const event of [...history.events, ...others]) {
        expect(transition(plan, end, event)[0]).toBe(end);
        expect(transition(plan, end, event)[1]).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
});

test('late and repeated events in between change nothing in how a run goes', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states, events } = play(plan, chosen);
      let state = initialState(plan);
      for (const [index, event] of events.slice(0, 60).entries()) {
        [state] = transition(plan, state, event);
        for (const old of events.slice(0, index)) {
          // A repeated `time.passed` is not about one event: it asks what is due by then, and may start more.
          if (old.type !== 'time.passed') {
            expect(transition(plan, state, old)[0]).toBe(state);
          }
        }
        expect(state).toEqual(states[index + 1]);
      }
    }),
    { numRuns: 200 },
  );
});

test('rules 5 and 7: a step starts at most once per attempt, never again after it ended, and only when an edge into it was taken', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { effects, states } = play(plan, chosen);
      const starts = effects
        .flat()
        .flatMap((effect) => (effect.type === 'startStep' ? [`${effect.stepKey}#${effect.attempt}`] : []));
      expect(new Set(starts).size).toBe(starts.length);
      for (const [index, asked] of effects.entries()) {
        const frames = framesOf(states[index + 1] as RunState);
        for (const effect of asked.filter((it) => it.type === 'startStep')) {
          const incoming = locate(plan, effect.stepKey)?.node.incoming ?? [];
          const frame = frames.get(scopeOf(effect.stepKey));
          const isReached = incoming.length === 0 || incoming.some((edge) => frame?.edges[edge] === 'taken');
          expect(frame === undefined || isReached).toBe(true);
        }
      }
      for (const [index, state] of states.entries()) {
        for (const { stepKey, step } of index === 0 ? [] : listSteps(states[index - 1] as RunState)) {
          const now = findStep(state, stepKey);
          expect(now === undefined || !TERMINAL.includes(step.status) ? step : now).toEqual(step);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('rule 6: an edge settles once, in every frame', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states } = play(plan, chosen);
      for (const [index, state] of states.entries()) {
        const frames = framesOf(state);
        for (const [scope, before] of index === 0 ? [] : framesOf(states[index - 1] as RunState)) {
          const now = frames.get(scope)?.edges ?? before.edges;
          expect(before.edges.every((settled, edge) => settled === 'open' || now[edge] === settled)).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('rules 10 and 11: a loop never has more iterations open than it may, and forgets those that ended', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      for (const state of play(plan, chosen).states) {
        for (const { stepKey, step } of listSteps(state)) {
          const loop = step.status === 'running' ? step.loop : undefined;
          if (loop !== undefined) {
            const open = Object.keys(loop.frames).length;
            expect(open).toBeLessThanOrEqual(locate(plan, stepKey)?.node.loop?.concurrency ?? 0);
            expect(loop.done + open).toBe(loop.done < loop.total ? loop.next : loop.total);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('rule 12: every scope and step of a state is found in the plan by its key, and every effect names one', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states, effects } = play(plan, chosen);
      for (const state of states) {
        for (const { stepKey, step } of listSteps(state)) {
          expect(findStep(state, stepKey)).toBe(step);
        }
      }
      for (const effect of effects.flat()) {
        const isKnown = 'stepKey' in effect ? locate(plan, effect.stepKey) !== null : true;
        expect(isKnown && ('scope' in effect ? locateScope(plan, effect.scope) !== null : true)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

test('a transition leaves its arguments alone and its states are plain JSON', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states, events } = play(plan, chosen);
      for (const [index, event] of events.entries()) {
        const before = states[index] as RunState;
        const copy: RunState = JSON.parse(JSON.stringify(before));
        expect(copy).toEqual(before);
        expect(transition(plan, copy, event)[0]).toEqual(states[index + 1]);
        expect(copy).toEqual(before);
      }
    }),
    { numRuns: 200 },
  );
});

test('rule 13: a run taken over after any event repeats no ended step and still ends', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(60), fc.boolean(), (plan, chosen, diesAfter, isLate) => {
      const { states } = play(plan, chosen);
      const state = states[Math.min(diesAfter, states.length - 1)] as RunState;
      const [taken, again] = resume(plan, state, isLate ? 1e15 : 0);
      const aborted = again.flatMap((effect) => (effect.type === 'abortStep' ? [effect.stepKey] : []));
      for (const effect of again.filter((it) => it.type === 'startStep')) {
        expect(TERMINAL).not.toContain(findStep(state, effect.stepKey)?.status);
        if (!aborted.includes(effect.stepKey)) {
          expect(findStep(taken, effect.stepKey)).toMatchObject({ status: 'running', attempt: effect.attempt });
        }
      }
      expect(hasEnded(last(play(plan, chosen, { from: taken })))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

/** How a run ended that can be retried; null for one that succeeded. */
function retriableEnd(plan: Plan, chosen: readonly Choice[], cancelAt: number): RunState | null {
  const end = last(play(plan, chosen, { cancelAt }));
  return end.status === 'failed' || end.status === 'cancelled' ? end : null;
}

/** Also in iterations that had not ended. */
function succeededKeys({ steps }: Pick<Frame, 'steps'>, scope = ''): string[] {
  return Object.entries(steps).flatMap(([id, step]) => {
    const stepKey = stepKeyIn(scope, id);
    if (step.status === 'succeeded') return [stepKey];
    const frames = 'reached' in step ? (step.reached?.frames ?? {}) : {};
    return Object.entries(frames).flatMap(([index, frame]) =>
      succeededKeys(frame, iterationScope(stepKey, Number(index))),
    );
  });
}

test('rule 17: a retried run starts no step that had succeeded, keeps its edges and ends', () => {
  fc.assert(
    fc.property(plans, choices, choices, fc.nat(40), (plan, chosen, chosenAgain, cancelAt) => {
      const end = retriableEnd(plan, chosen, cancelAt);
      fc.pre(end !== null);
      const history = play(plan, chosenAgain, { from: retryState(plan, end) });
      const succeeded = succeededKeys(end);
      const started = history.effects.flat().flatMap((effect) => (effect.type === 'startStep' ? [effect.stepKey] : []));
      // A loop whose items may be others now starts over, with all that is in it.
      const isWithin = (stepKey: string) => started.some((around) => stepKey.startsWith(`${around}.`));
      expect(started.filter((stepKey) => succeeded.includes(stepKey) && !isWithin(stepKey))).toEqual([]);
      for (const id of succeeded.filter((stepKey) => stepKey in end.steps)) {
        expect(last(history).steps[id]).toEqual(end.steps[id]);
        for (const edge of plan.nodes.get(id)?.outgoing ?? []) {
          expect(last(history).edges[edge]).toBe(end.edges[edge]);
        }
      }
      expect(hasEnded(last(history))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('a retried run starts at once everything that can start, and only what an edge leads to', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(40), (plan, chosen, cancelAt) => {
      const end = retriableEnd(plan, chosen, cancelAt);
      fc.pre(end !== null);
      const created = retryState(plan, end);
      const [state] = resume(plan, created, 7);
      expect(state.deadlineAt).toBe(hasEnded(state) || plan.timeoutMs === null ? undefined : 7 + plan.timeoutMs);
      for (const [id, step] of hasEnded(state) ? [] : Object.entries(state.steps)) {
        const incoming = plan.nodes.get(id)?.incoming ?? [];
        const edges = incoming.map((edge) => state.edges[edge]);
        const isNew = created.steps[id]?.status === 'pending';
        if (isNew && step.status === 'running') {
          expect(edges.length === 0 || edges.includes('taken')).toBe(true);
        }
        if (step.status === 'pending') {
          expect(edges).toContain('open');
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a retry that is cancelled before it began keeps all that it had kept', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(40), (plan, chosen, cancelAt) => {
      const end = retriableEnd(plan, chosen, cancelAt);
      fc.pre(end !== null);
      const created = retryState(plan, end);
      const [cancelled] = transition(plan, created, { type: 'run.cancelled', at: 0 });
      expect(retryState(plan, cancelled)).toEqual(created);
    }),
    { numRuns: 300 },
  );
});
