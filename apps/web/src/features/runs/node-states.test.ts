import { type Document, graphAt, type Place } from '@millrace/workflow/edit';
import { expect, it } from 'vitest';
import { deriveCanvas } from '../editor/canvas.ts';
import { keepEdges, keepNodes } from '../editor/keep-nodes.ts';
import { edgeKey } from '../editor/session.ts';
import { passagesOf, type RunOfGraph, type ShownStep, sayState, statesOfNodes } from './node-states.ts';
import { showStates } from './show-states.ts';

const value = (id: string) => ({ id, type: 'transform', config: { value: 1 } });
const DOCUMENT: Document = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'big', type: 'condition', config: { if: '{% true %}' } },
    { id: 'call', type: 'http.request', onError: 'branch', config: {} },
    value('small'),
    value('mend'),
    { id: 'each', type: 'foreach', config: { items: [1], body: { nodes: [value('a'), value('b')] } } },
  ],
  edges: [
    { from: 'big', to: 'call', branch: 'true' },
    { from: 'big', to: 'small', branch: 'false' },
    { from: 'call', to: 'mend', branch: 'error' },
    { from: 'call', to: 'each' },
  ],
};
const LOOP = { in: 'loop', loopId: 'each' } as const;

const step = (stepId: string, status: ShownStep['status'], more: Partial<ShownStep> = {}): ShownStep => ({
  ...{ stepId, status, attempt: 1, input: null, output: null },
  ...more,
});
const runOf = (steps: ShownStep[], place: Place = { in: 'run' }, isOver = false): RunOfGraph => {
  const graph = graphAt(DOCUMENT, place);
  if (!graph) throw new Error('the document of this test has no such place');
  return { graph, loopId: place.in === 'loop' ? place.loopId : null, steps, isOver };
};
const saidOf = (...given: Parameters<typeof runOf>) =>
  Object.fromEntries([...statesOfNodes(runOf(...given))].map(([id, state]) => [id, sayState(state)]));
const passageOf = (from: string, to: string, branch: string | null, ...given: Parameters<typeof runOf>) =>
  passagesOf(runOf(...given)).get(edgeKey({ from, to, branch }));

it('each node has the state of its step; one without a step is pending, and not reached once the run is over', () => {
  const steps = [step('big', 'succeeded'), step('call', 'waiting', { attempt: 3 }), step('small', 'skipped')];
  expect(saidOf(steps)).toEqual({
    ...{ big: 'Succeeded', call: 'Waiting, attempt 3', small: 'Skipped', mend: 'Pending', each: 'Pending' },
  });
  expect(saidOf(steps, { in: 'run' }, true)).toMatchObject({ mend: 'Not reached', each: 'Not reached' });
});

it('a loop and the steps in it count their iterations, of as many as the loop has items', () => {
  const loop = step('each', 'running', { input: { items: ['x', 'y', 'z'] } });
  const steps = [
    ...[loop, step('each.0.a', 'succeeded'), step('each.0.b', 'succeeded')],
    ...[step('each.1.a', 'succeeded'), step('each.1.b', 'running', { attempt: 2 })],
  ];
  expect(saidOf(steps).each).toBe('Running, 1 of 3 done');
  expect(saidOf(steps, LOOP)).toEqual({ a: 'Running, 2 of 3 done', b: 'Running, attempt 2, 1 of 3 done' });
  expect(statesOfNodes(runOf(steps, LOOP)).get('b')?.stepKey).toBe('each.1.b');
  expect(saidOf([step('each', 'running'), step('each.0.a', 'succeeded')], LOOP).a).toBe('Running, 1 done');
  expect(saidOf([step('each', 'succeeded', { output: [1, 2] })]).each).toBe('Succeeded, 2 of 2 done');
});

it('of many iterations a node shows what is under way, then what failed, and leads to that step', () => {
  const failed = [step('each', 'failed'), step('each.0.a', 'failed'), step('each.1.a', 'succeeded')];
  const state = statesOfNodes(runOf(failed, LOOP)).get('a');
  expect(state).toMatchObject({ status: 'failed', stepKey: 'each.0.a' });
  expect(saidOf([...failed, step('each.2.a', 'waiting')], LOOP).a).toMatch(/^Waiting/);
});

it('an edge is taken as the engine took it: by the branch that was chosen, after a failure by the error branch', () => {
  const chosen = [step('big', 'succeeded', { output: true })];
  expect(passageOf('big', 'call', 'true', chosen)).toBe('taken');
  expect(passageOf('big', 'small', 'false', chosen)).toBe('untaken');
  expect(passageOf('call', 'each', null, chosen)).toBe('open');
  const failed = [...chosen, step('call', 'failed')];
  expect(passageOf('call', 'mend', 'error', failed)).toBe('taken');
  expect(passageOf('call', 'each', null, failed)).toBe('untaken');
  expect(passageOf('call', 'mend', 'error', [step('call', 'succeeded')])).toBe('untaken');
});

it('while the output of a choice is not read, the other end of the edge tells; after the run nothing stays open', () => {
  const unread = [step('big', 'succeeded'), step('call', 'running'), step('small', 'skipped')];
  expect(passageOf('big', 'call', 'true', unread)).toBe('taken');
  expect(passageOf('big', 'small', 'false', unread)).toBe('untaken');
  expect(passageOf('big', 'call', 'true', unread.slice(0, 1))).toBe('open');
  expect(passageOf('call', 'each', null, unread, { in: 'run' }, true)).toBe('untaken');
});

it('an edge in a loop is taken when any iteration took it', () => {
  const steps = [step('each.0.a', 'cancelled'), step('each.1.a', 'succeeded')];
  expect(passageOf('a', 'b', null, steps, LOOP)).toBe('taken');
  expect(passageOf('a', 'b', null, steps.slice(0, 1), LOOP)).toBe('untaken');
});

it('only the nodes and edges whose state changed become new objects', () => {
  const plain = deriveCanvas({
    document: DOCUMENT,
    place: { in: 'run' },
    problems: [],
    positions: {},
    pinned: new Set(),
  });
  const none = new Set<string>();
  const draw = (steps: ShownStep[]) => showStates(plain, runOf(steps));
  const before = draw([step('big', 'running')]);
  const after = draw([step('big', 'succeeded', { output: true }), step('call', 'running')]);
  const shown = keepNodes([], before.nodes, none);
  const changed = keepNodes(shown, after.nodes, none).filter((node, index) => node !== shown[index]);
  expect(changed.map(({ id, ariaLabel }) => [id, ariaLabel])).toEqual([
    ['big', 'Condition: big: Succeeded'],
    ['call', 'HTTP request: call: Running'],
  ]);
  const edges = keepEdges([], before.edges, none);
  const changedEdges = keepEdges(edges, after.edges, none).filter((edge, index) => edge !== edges[index]);
  expect(changedEdges.map(({ target, data }) => [target, data?.passage])).toEqual([
    ['call', 'taken'],
    ['small', 'untaken'],
  ]);
});
