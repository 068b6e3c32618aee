import type { Document } from '@millrace/workflow/edit';
import { graphAt } from '@millrace/workflow/edit';
import { validateDefinition } from '@millrace/workflow/validate';
import { expect, it } from 'vitest';
import { toElkGraph } from './auto-layout.ts';
import { deriveCanvas } from './canvas.ts';
import { keepEdges, keepNodes } from './keep-nodes.ts';
import { locateProblem } from './locate-problem.ts';
import { crumbsTo, placeStill } from './places.ts';
import { isInView, placeMissing, readPositions } from './positions.ts';
import { wordProblem } from './problem-words.ts';
import { edgeKey, edgeOfKey, TRIGGER } from './session.ts';
import { saySpot, spotFor, spotOnEdge } from './spots.ts';

const value = (id: string, of: unknown = 1) => ({ id, type: 'transform', config: { value: of } });
const DOCUMENT: Document = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'big', type: 'condition', name: 'Is it big?', config: { if: '{% true %}' } },
    { id: 'call', type: 'http.request', onError: 'branch', config: { method: 'GET' } },
    {
      id: 'each',
      type: 'foreach',
      config: { items: [1], body: { nodes: [value('x'), value('y', '{% $steps.z %}')] } },
    },
    value('b'),
  ],
  edges: [
    { from: 'big', to: 'call', branch: 'true' },
    { from: 'call', to: 'each' },
    { from: 'big', to: 'b', branch: 'maybe' },
  ],
};
const RUN = { in: 'run' } as const;
const problemsOf = (document: Document) => {
  const checked = validateDefinition(document);
  return checked.ok ? [] : checked.problems;
};
const derive = (document = DOCUMENT, place: Parameters<typeof graphAt>[1] = RUN) =>
  deriveCanvas({ document, place, problems: problemsOf(document), positions: {}, pinned: new Set(['b']) });

it('the canvas shows each step of a graph with its branches as handles, and the trigger before the first ones', () => {
  const { nodes, edges } = derive();
  expect(nodes.map(({ id, type }) => [id, type])).toEqual([
    [TRIGGER, 'trigger'],
    ['big', 'condition'],
    ['call', 'http.request'],
    ['each', 'foreach'],
    ['b', 'transform'],
  ]);
  const handles = Object.fromEntries(nodes.map(({ id, data }) => [id, data.handles]));
  expect(handles).toMatchObject({ big: ['true', 'false', 'maybe'], call: [null, 'error'], each: [null] });
  expect(edges.map(({ source, sourceHandle, target }) => [source, sourceHandle, target])).toEqual([
    [TRIGGER, 'next', 'big'],
    ['big', 'true', 'call'],
    ['call', 'next', 'each'],
    ['big', 'maybe', 'b'],
  ]);
  expect(nodes.find(({ id }) => id === 'b')?.data.isPinned).toBe(true);
  expect(nodes.find(({ id }) => id === 'each')?.data.bodySize).toBe(2);
  expect(nodes.find(({ id }) => id === 'big')?.ariaLabel).toBe('Condition: Is it big?');
});

it('the body of a loop is a canvas of its own, a chain of steps included', () => {
  const { nodes, edges } = derive(DOCUMENT, { in: 'loop', loopId: 'each' });
  expect(nodes.map(({ id }) => id)).toEqual(['x', 'y']);
  expect(edges.map(({ source, target }) => [source, target])).toEqual([['x', 'y']]);
  expect(crumbsTo(DOCUMENT, { in: 'loop', loopId: 'each' }).map(({ label }) => label)).toEqual(['Workflow', 'each']);
  expect(placeStill({ nodes: [] }, { in: 'loop', loopId: 'each' })).toEqual(RUN);
});

it('every problem leads to the step, the edge and the field that it is about', () => {
  const spots = problemsOf(DOCUMENT).map((problem) => ({ code: problem.code, ...locateProblem(DOCUMENT, problem) }));
  expect(spots).toContainEqual({ code: 'REQUIRED', place: RUN, node: 'call', edge: null, field: 'url' });
  expect(spots).toContainEqual({ code: 'ERROR_EDGE_MISSING', place: RUN, node: 'call', edge: null, field: 'onError' });
  const key = edgeKey({ from: 'big', to: 'b', branch: 'maybe' });
  expect(spots).toContainEqual({ code: 'UNKNOWN_BRANCH', place: RUN, node: null, edge: key, field: null });
  const inLoop = { place: { in: 'loop', loopId: 'each' }, node: 'y', edge: null, field: 'value' };
  expect(spots).toContainEqual({ code: 'UNKNOWN_STEP', ...inLoop });
  const words = problemsOf(DOCUMENT).map((problem) => wordProblem(DOCUMENT, problem, locateProblem(DOCUMENT, problem)));
  expect(words).toContainEqual({ says: 'This is required.', where: 'call · URL' });
  const empty = {
    path: 'nodes[1].config.url',
    code: 'INVALID_VALUE',
    message: 'Too small: expected string to have >=1 characters',
  };
  expect(wordProblem(DOCUMENT, empty, locateProblem(DOCUMENT, empty)).says).toBe('URL is required.');
  const { nodes, edges } = derive();
  expect(nodes.map(({ data }) => data.problemCount)).toEqual([0, 0, 2, 1, 0]);
  expect(edges.map(({ data }) => data?.isFaulty)).toEqual([false, false, false, true]);
});

it('a change renders the step that it is about and no other one', () => {
  const shown = keepNodes([], derive().nodes, new Set());
  const nodes = DOCUMENT.nodes as { id: string }[];
  const changed = { ...DOCUMENT, nodes: nodes.map((node) => (node.id === 'b' ? value('b', 2) : node)) };
  const kept = keepNodes(shown, derive(changed).nodes, new Set());
  expect(kept.map((node, index) => node === shown[index])).toEqual([true, true, true, true, false]);
  expect(keepNodes(kept, derive(changed).nodes, new Set())).toBe(kept);
  const selected = keepNodes(kept, derive(changed).nodes, new Set(['big']));
  expect(selected.map((node, index) => node === kept[index])).toEqual([true, false, true, true, true]);
  const edges = keepEdges([], derive().edges, new Set());
  expect(keepEdges(edges, derive().edges, new Set()).every((edge, index) => edge === edges[index])).toBe(true);
});

it('steps without a position get one below what leads to them, and those that follow make room', () => {
  const graph = graphAt(DOCUMENT, RUN);
  if (!graph) throw new Error('the document has a run');
  const all = placeMissing(graph, {});
  const spots = Object.values(all).map(({ x, y }) => `${x} ${y}`);
  expect(new Set(spots).size).toBe(5);
  expect(placeMissing(graph, all)).toBe(all);
  const { call: _, ...known } = all;
  const close = { ...known, each: { x: 0, y: (all.big?.y ?? 0) + 10 } };
  const placed = placeMissing(graph, close);
  expect(placed.big).toEqual(all.big);
  expect(placed.each?.y).toBeGreaterThan(placed.call?.y ?? 0);
  expect(toElkGraph(graph).edges).toHaveLength(4);
  expect(readPositions('{"a":{"x":1,"y":2},"b":{"x":"1"}}')).toEqual({ a: { x: 1, y: 2 } });
  expect(readPositions('broken')).toEqual({});
  const [area, screen] = [
    { x: 100, y: 100, width: 200, height: 80 },
    { width: 400, height: 300 },
  ];
  expect(isInView(area, { x: 0, y: 0, zoom: 1 }, screen)).toBe(true);
  expect(isInView(area, { x: 150, y: 0, zoom: 1 }, screen)).toBe(false);
  expect(isInView(area, { x: 0, y: 0, zoom: 2 }, screen)).toBe(false);
});

it('a step is added where somebody looks: after what is selected, onto an edge, after the only end', () => {
  const at = (nodes: string[], edges: string[] = []) => spotFor(DOCUMENT, { place: RUN, nodes, edges });
  expect(at(['big'])).toEqual({ at: 'after', from: 'big', branch: 'false' });
  expect(at(['call'])).toEqual({ at: 'after', from: 'call' });
  expect(at([TRIGGER])).toEqual({ at: 'start', to: 'big' });
  expect(at([])).toEqual({ at: 'loose' });
  const key = edgeKey({ from: 'call', to: 'each' });
  expect(at([], [key])).toEqual({ at: 'edge', edge: { from: 'call', to: 'each' } });
  expect(edgeOfKey(key)).toEqual({ from: 'call', to: 'each' });
  expect(spotOnEdge(edgeKey({ from: TRIGGER, to: 'big' }))).toEqual({ at: 'start', to: 'big' });
  expect(saySpot(at(['big']))).toBe('Add a step after big, branch false');
  const loop = { place: { in: 'loop', loopId: 'each' }, nodes: [], edges: [] } as const;
  expect(spotFor(DOCUMENT, loop)).toEqual({ at: 'after', from: 'y' });
});
