import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect } from './effects.ts';
import type { RunEvent } from './events.ts';
import type { Plan } from './plan.ts';
import { resume } from './resume.ts';
import { runStatus } from './run-status.ts';
import { hasEnded, initialState, type RunState } from './state.ts';
import { planOf } from './testing.ts';
import { transition } from './transition.ts';

const TERMINAL = ['succeeded', 'failed', 'skipped', 'cancelled'];

type Shape = { kind: number; onError: number; join: number; sources: number[] };

const shape: fc.Arbitrary<Shape> = fc.record({
  kind: fc.nat(5),
  onError: fc.nat(2),
  join: fc.nat(5),
  sources: fc.uniqueArray(fc.nat(20), { maxLength: 4 }),
});

/** Turns random numbers into a valid document: edges only lead forward, branches fit their sources. */
function documentOf(shapes: readonly Shape[]): object {
  const edges = shapes.flatMap(({ sources }, index) => {
    const before = sources.filter(() => index > 0).map((source) => source % index);
    const chosen = index > 0 && before.length === 0 ? [index - 1] : [...new Set(before)];
    return chosen.map((from) => ({ from, to: index, pick: (from * 7 + index) % 3 }));
  });
  const nodes = shapes.map(({ kind, onError, join }, index) => {
    const id = `n${index}`;
    const outgoing = edges.filter((edge) => edge.from === index);
    const incoming = edges.filter((edge) => edge.to === index).length;
    const hasErrorEdge = onError === 2 && outgoing.length > 0;
    const common = { id, retry: { maxAttempts: 2, backoffMs: 100 }, onError: ['fail', 'continue', 'branch'][onError] };
    const handled = onError === 2 && !hasErrorEdge ? { ...common, onError: 'continue' } : common;
    if (kind < 2 && incoming > 0) {
      const count = 1 + (join % incoming);
      const config = [{ mode: 'all' }, { mode: 'any' }, { mode: 'count', count }][join % 3];
      return { ...handled, type: 'parallel.join', config: { ...config, cancelRest: join > 2 } };
    }
    const isCondition = kind === 2;
    return {
      ...handled,
      type: isCondition ? 'condition' : 'transform',
      config: isCondition ? { if: true } : { value: 1 },
    };
  });
  const written = edges.map(({ from, to, pick }) => {
    const source = nodes[from];
    const isFirst = edges.find((edge) => edge.from === from)?.to === to;
    if (source?.onError === 'branch' && isFirst) {
      return { from: `n${from}`, to: `n${to}`, branch: 'error' };
    }
    const branch = source?.type === 'condition' ? [{ branch: 'true' }, { branch: 'false' }, {}][pick] : {};
    return { from: `n${from}`, to: `n${to}`, ...branch };
  });
  const isConnected = shapes.length > 1;
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...(isConnected ? { edges: written } : {}) };
}

const plans = fc.array(shape, { minLength: 1, maxLength: 9 }).map((shapes) => planOf(documentOf(shapes)));

/** One random choice: which of the possible things happens next, and how. */
type Choice = { pick: number; outcome: number; random: number };

const choices = fc.array(
  fc.record({ pick: fc.nat(100), outcome: fc.nat(11), random: fc.double({ min: 0, max: 0.99, noNaN: true }) }),
  { minLength: 80, maxLength: 80 },
);

/** The next event of a world in which anything that can happen may happen, in any order. */
function nextEvent(state: RunState, { pick, outcome, random }: Choice, now: number): RunEvent {
  if (state.status === 'created') {
    return { type: 'run.started', at: now };
  }
  if (state.status === 'output') {
    return { type: 'output.evaluated', scope: '', at: now };
  }
  const running = Object.entries(state.steps).flatMap(([stepKey, step]) =>
    step.status === 'running' ? [{ stepKey, step }] : [],
  );
  const chosen = running[pick % Math.max(1, running.length)];
  if (chosen === undefined) {
    return { type: 'time.passed', at: runStatus(state).nextAttemptAt ?? now };
  }
  const { stepKey, step } = chosen;
  const { attempt } = step;
  if (outcome < 7) {
    return { type: 'step.succeeded', stepKey, attempt, branch: outcome % 2 === 0 ? 'true' : 'false', at: now };
  }
  const error = { code: 'BOOM', message: 'it broke', retryable: outcome < 10 };
  return { type: 'step.failed', stepKey, attempt, error, at: now, random };
}

type History = { states: RunState[]; events: RunEvent[]; effects: Effect[] };

/** Plays a run to its end, which the 80 choices always reach; `cancelAt` is the round in which it is cancelled. */
function play(plan: Plan, chosen: readonly Choice[], { cancelAt = -1, from = initialState(plan) } = {}): History {
  const history: History = { states: [from], events: [], effects: [] };
  for (const [round, choice] of chosen.entries()) {
    const state = last(history);
    if (hasEnded(state)) {
      break;
    }
    const event: RunEvent =
      round === cancelAt ? { type: 'run.cancelled', at: round } : nextEvent(state, choice, round * 1000);
    const [next, effects] = transition(plan, state, event);
    history.states.push(next);
    history.events.push(event);
    history.effects.push(...effects);
  }
  return history;
}

const last = (history: History): RunState => history.states.at(-1) as RunState;

test('every run ends, with every step in an end status and exactly one finish', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const history = play(plan, chosen);
      expect(['succeeded', 'failed']).toContain(last(history).status);
      expect(Object.values(last(history).steps).every((step) => TERMINAL.includes(step.status))).toBe(true);
      expect(history.effects.filter((effect) => effect.type === 'finishRun')).toHaveLength(1);
    }),
    { numRuns: 1000 },
  );
});

test('a state that has not ended runs a step, waits for a retry, evaluates its output or is not started', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      for (const state of play(plan, chosen).states) {
        const steps = Object.values(state.steps);
        const isAlive = steps.some((step) => step.status === 'running' || step.status === 'waiting');
        expect(state.status === 'running' ? isAlive : true).toBe(true);
        expect(resume(plan, state, 1e15)[1].length > 0).toBe(['created', 'running', 'output'].includes(state.status));
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
        expect(transition(plan, after, event)).toEqual([after, []]);
        expect(transition(plan, after, event)[0]).toBe(after);
      }
    }),
    { numRuns: 500 },
  );
});

test('a run that ended ignores every event', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(20), (plan, chosen, cancelAt) => {
      const history = play(plan, chosen, { cancelAt });
      const end = last(history);
      const others: RunEvent[] = [
        { type: 'run.cancelled', at: 0 },
        { type: 'time.passed', at: 1e15 },
        { type: 'output.failed', scope: '', error: { code: 'X', message: 'x' }, at: 0 },
      ];
      for (const event of [...history.events, ...others]) {
        expect(transition(plan, end, event)[0]).toBe(end);
        expect(transition(plan, end, event)[1]).toEqual([]);
      }
    }),
    { numRuns: 500 },
  );
});

test('late and repeated events in between change nothing in how a run goes', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states, events } = play(plan, chosen);
      let state = initialState(plan);
      for (const [index, event] of events.entries()) {
        [state] = transition(plan, state, event);
        for (const old of events.slice(0, index)) {
          // A repeated `retry.due` is not about one event: it asks what is due by then, and may start more.
          if (old.type !== 'time.passed') {
            expect(transition(plan, state, old)[0]).toBe(state);
          }
        }
        expect(state).toEqual(states[index + 1]);
      }
    }),
    { numRuns: 300 },
  );
});

test('a step starts at most once per attempt, never again after it ended, and only when an edge into it was taken', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { effects, states } = play(plan, chosen);
      const starts = effects.flatMap((effect) =>
        effect.type === 'startStep' ? [`${effect.stepKey}#${effect.attempt}`] : [],
      );
      expect(new Set(starts).size).toBe(starts.length);
      const end = states.at(-1) as RunState;
      for (const node of plan.nodes.values()) {
        const wasStarted = starts.includes(`${node.id}#1`);
        const isReached = node.incoming.length === 0 || node.incoming.some((index) => end.edges[index] === 'taken');
        expect(wasStarted ? isReached : true).toBe(true);
      }
      for (const [index, state] of states.entries()) {
        for (const [stepKey, step] of Object.entries(states[index - 1]?.steps ?? {})) {
          expect(TERMINAL.includes(step.status) ? state.steps[stepKey] : step).toEqual(step);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('an edge settles once', () => {
  fc.assert(
    fc.property(plans, choices, (plan, chosen) => {
      const { states } = play(plan, chosen);
      for (const [index, state] of states.entries()) {
        for (const [edge, settled] of (states[index - 1]?.edges ?? []).entries()) {
          expect(settled === 'open' || state.edges[edge] === settled).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
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
    { numRuns: 300 },
  );
});

test('a run taken over after any event repeats no ended step and still ends', () => {
  fc.assert(
    fc.property(plans, choices, fc.nat(30), (plan, chosen, diesAfter) => {
      const { states } = play(plan, chosen);
      const state = states[Math.min(diesAfter, states.length - 1)] as RunState;
      const [taken, again] = resume(plan, state, 1e15);
      for (const effect of again) {
        if (effect.type === 'startStep') {
          expect(taken.steps[effect.stepKey]).toMatchObject({ status: 'running', attempt: effect.attempt });
          expect(TERMINAL).not.toContain(state.steps[effect.stepKey]?.status);
        }
      }
      expect(hasEnded(last(play(plan, chosen, { from: taken })))).toBe(true);
    }),
    { numRuns: 300 },
  );
});
