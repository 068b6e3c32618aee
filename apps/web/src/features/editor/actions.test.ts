import { expect, it } from 'vitest';
import { addStepOfKind, connectSteps, copySelected, insertOnEdge, pasteText, removeSelected } from './actions.ts';
import { createEditorStore } from './editor-store.ts';
import { openPositions } from './positions-store.ts';
import { edgeKey, TRIGGER } from './session.ts';

const open = () => createEditorStore({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [] });
const idsIn = (store: ReturnType<typeof open>) => (store.document().nodes as { id: string }[]).map(({ id }) => id);

it('a workflow is built step by step, each where somebody looks, and taken back step by step', () => {
  const store = open();
  expect(addStepOfKind(store, 'http.request')).toBeNull();
  expect(addStepOfKind(store, 'condition')).toBeNull();
  expect(addStepOfKind(store, 'transform')).toBeNull();
  store.session({ type: 'select', nodes: ['check'] });
  expect(addStepOfKind(store, 'fail')).toBeNull();
  expect(store.document().edges).toEqual([
    { from: 'request', to: 'check' },
    { from: 'check', to: 'value', branch: 'true' },
    { from: 'check', to: 'fail', branch: 'false' },
  ]);
  expect(store.read().session.nodes).toEqual(['fail']);
  for (let count = 0; count < 4; count += 1) store.history({ type: 'undo' });
  expect(idsIn(store)).toEqual([]);
  expect(store.read().session.nodes).toEqual([]);
  store.history({ type: 'redo' });
  expect(idsIn(store)).toEqual(['request']);
});

it('what is selected is copied, pasted and removed; the trigger stays', () => {
  const store = open();
  for (const type of ['transform', 'foreach', 'transform']) addStepOfKind(store, type);
  store.session({ type: 'select', nodes: ['value', 'each'] });
  const text = copySelected(store) ?? '';
  expect(pasteText(store, text, { in: 'run' })).toBeNull();
  expect(store.read().session.nodes).toEqual(['value3', 'each2']);
  store.session({ type: 'select', nodes: ['value3', 'each2', TRIGGER] });
  expect(removeSelected(store)).toBeNull();
  expect(idsIn(store)).toEqual(['value', 'each', 'value2']);
  expect(pasteText(store, 'some text', { in: 'run' })).toBe(false);
  store.session({ type: 'select', nodes: [], edges: [edgeKey({ from: 'each', to: 'value2' })] });
  expect(removeSelected(store)).toBeNull();
  expect(store.document().edges).toEqual([{ from: 'value', to: 'each' }]);
  expect(connectSteps(store, { from: 'value', to: 'each' })).toMatch(/connected already/);
});

it('a step that was dropped stands where it was dropped, in this browser only', () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, text: string) => void kept.set(key, text),
  };
  const positions = openPositions('w', storage);
  const store = open();
  addStepOfKind(store, 'delay', { spot: { at: 'loose' }, at: { x: 3, y: 4 }, keep: positions.set });
  expect(openPositions('w', storage).read()).toEqual({ wait: { x: 3, y: 4 } });
  expect(openPositions('other', storage).read()).toEqual({});
});

it('a step that was put down loose goes onto an edge, and off it again with one undo', () => {
  const store = open();
  for (const type of ['transform', 'delay']) addStepOfKind(store, type);
  addStepOfKind(store, 'condition', { spot: { at: 'loose' } });
  const before = store.document();
  expect(insertOnEdge(store, 'check', edgeKey({ from: 'value', to: 'wait' }))).toBeNull();
  const onEdge = [
    { from: 'value', to: 'check' },
    { from: 'check', to: 'wait', branch: 'true' },
  ];
  expect(store.document().edges).toEqual(onEdge);
  expect(insertOnEdge(store, 'check', edgeKey({ from: 'value', to: 'check' }))).toMatch(/nothing leads to/);
  store.history({ type: 'undo' });
  expect(store.document()).toBe(before);
  expect(insertOnEdge(store, 'check', edgeKey({ from: TRIGGER, to: 'value' }))).toBeNull();
  expect(store.document().edges).toContainEqual({ from: 'check', to: 'value', branch: 'true' });
});

it('nobody is left in the body of a loop that was taken back', () => {
  const store = open();
  addStepOfKind(store, 'repeat');
  store.session({ type: 'open', place: { in: 'loop', loopId: 'repeat' } });
  addStepOfKind(store, 'transform');
  expect(store.read().session.place).toEqual({ in: 'loop', loopId: 'repeat' });
  store.history({ type: 'undo' });
  store.history({ type: 'undo' });
  expect(store.read().session).toMatchObject({ place: { in: 'run' }, nodes: [] });
});
