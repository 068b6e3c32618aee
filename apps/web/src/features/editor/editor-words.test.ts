import { expect, it } from 'vitest';
import { listCommands } from './commands.ts';
import { createEditorStore } from './editor-store.ts';
import { fileName, importDocument } from './files.ts';
import { readDocument } from './read-document.ts';
import { outputsOfRun } from './samples.ts';
import { summaryOf } from './summaries.ts';

const DOCUMENT = { version: 'v2', nodes: [{ id: 'a', type: 'transform', name: 'First', config: { value: 1 } }] };

it('a step says in one line what it does, however unfinished it is', () => {
  const lines = [
    summaryOf('http.request', { method: 'GET' }),
    summaryOf('condition', { if: '{% $item.paid %}' }),
    summaryOf('switch', { cases: [{ name: 'large' }, {}, 7] }),
    summaryOf('transform', { value: { a: 1 } }),
    summaryOf('parallel.join', { mode: 'count', count: 2 }),
    summaryOf('repeat', { until: true }),
    summaryOf('delay', { until: '2026-05-01T09:00:00Z' }),
    summaryOf('approval', { by: { userIds: ['u'] } }),
    summaryOf('fail', null),
    summaryOf('trigger.cron', { expression: '* * * * *' }),
    summaryOf('trigger.webhook', undefined),
    summaryOf('respond', {}),
    summaryOf('wait.webhook', {}),
    summaryOf('subworkflow', { workflowId: '' }),
    summaryOf('nothing', {}),
  ];
  expect(lines).toEqual([
    ...['No address yet', '$item.paid', 'large, ', '{"a":1}', 'After 2 paths', 'Until true'],
    ...['Until 2026-05-01T09:00:00Z', 'By chosen people', '', '* * * * *', 'POST'],
    ...['Status 200', 'Until its address is called', 'No workflow chosen yet', ''],
  ]);
});

it('commands are those that make sense now: for a spot, the steps; for a reader, nothing that changes', () => {
  const session = { commands: 'all', nodes: ['a'], edges: [] } as const;
  const situation = { document: DOCUMENT, session, canUndo: true, canRedo: false, isReadOnly: false };
  const ids = (given: Parameters<typeof listCommands>[0]) =>
    listCommands(given).flatMap(({ items }) => items.map(({ id }) => id));
  expect(ids(situation)).toEqual(expect.arrayContaining(['add:condition', 'undo', 'delete', 'arrange', 'go:a']));
  expect(ids(situation)).not.toContain('redo');
  const spot = { ...situation, session: { ...session, commands: { at: 'loose' } as const } };
  expect(ids(spot).every((id) => id.startsWith('add:'))).toBe(true);
  expect(ids({ ...situation, isReadOnly: true })).not.toEqual(expect.arrayContaining(['undo']));
  expect(ids({ ...situation, isReadOnly: true })).toContain('go:a');
});

it('a file takes the place of the document as one change, if it is a document at all', async () => {
  const store = createEditorStore(DOCUMENT);
  const file = (text: string, size = text.length) => ({ size, text: async () => text });
  expect(await importDocument(store, file('{"nodes":[]}'))).toBeNull();
  expect(store.document()).toEqual({ nodes: [] });
  store.history({ type: 'undo' });
  expect(store.document()).toBe(DOCUMENT);
  expect(await importDocument(store, file('[]'))).toMatch(/object/);
  expect(await importDocument(store, file('{}', 2_000_000))).toMatch(/larger/);
  expect(readDocument(`{"a":${'['.repeat(200)}${']'.repeat(200)}}`)).toMatchObject({ ok: false });
  expect(['Größe & Preis', '  ', 'Order sync!'].map(fileName)).toEqual([
    'größe-preis.json',
    'workflow.json',
    'order-sync.json',
  ]);
});

it('samples of a run are what its steps gave, of steps in loops the first', () => {
  const step = (stepId: string, output: unknown, status = 'succeeded') => ({ stepId, status, output });
  expect(
    outputsOfRun([
      step('a', 1),
      step('each.0.x', 2),
      step('each.1.x', 3),
      step('b', 4, 'failed'),
      step('c', undefined),
    ]),
  ).toEqual({ a: 1, x: 2, c: null });
});
