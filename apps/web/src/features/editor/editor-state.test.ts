import { expect, it } from 'vitest';
import { createAutosave, type SaveResult } from './autosave.ts';
import { changeHistory, openHistory } from './history.ts';
import { paneText } from './json-pane.ts';
import { printDocument } from './print-document.ts';
import { changeSession, FIRST_SESSION } from './session.ts';
import { shortcutOf } from './shortcuts.ts';

const [A, B, C] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

it('what was undone comes back, until something else is changed', () => {
  const changed = changeHistory(changeHistory(openHistory(A), { type: 'change', document: B }), {
    type: 'change',
    document: C,
  });
  const back = changeHistory(changeHistory(changed, { type: 'undo' }), { type: 'undo' });
  expect(back.present).toBe(A);
  expect(changeHistory(back, { type: 'undo' })).toBe(back);
  expect(changeHistory(changeHistory(back, { type: 'redo' }), { type: 'redo' }).present).toBe(C);
  expect(changeHistory(back, { type: 'change', document: C }).future).toEqual([]);
  expect(changeHistory(changed, { type: 'load', document: B }).past).toEqual([]);
});

it('typing in one field is undone in one go', () => {
  const typed = [B, C].reduce(
    (history, document) => changeHistory(history, { type: 'change', document, subject: 'a.url' }),
    openHistory(A),
  );
  expect(changeHistory(typed, { type: 'undo' }).present).toBe(A);
  const other = changeHistory(typed, { type: 'change', document: B, subject: 'a.body' });
  expect(changeHistory(other, { type: 'undo' }).present).toBe(C);
});

it('selecting a step shows it, but takes nobody out of the JSON pane', () => {
  const problems = changeSession(FIRST_SESSION, { type: 'panel', panel: 'problems' });
  expect(changeSession(problems, { type: 'select', nodes: ['a'] })).toMatchObject({ panel: 'step', nodes: ['a'] });
  const json = changeSession(FIRST_SESSION, { type: 'panel', panel: 'json' });
  expect(changeSession(json, { type: 'select', nodes: ['a'] }).panel).toBe('json');
  const shown = changeSession(json, { type: 'show', place: { in: 'run' }, nodes: ['b'] });
  expect(shown).toMatchObject({ panel: 'json', nodes: ['b'], reveal: 1 });
  const selected = changeSession(json, { type: 'select', nodes: ['a'] });
  expect(changeSession(selected, { type: 'select', nodes: ['a'] })).toBe(selected);
});

it('the JSON pane keeps what is typed until the document says something else', () => {
  const printed = '{\n  "name": "a"\n}';
  expect(paneText({ text: '{"name":   "a"}', document: null }, A)).toBe('{"name":   "a"}');
  expect(paneText({ text: '{"name": "b"}', document: null }, A)).toBe(printed);
  expect(paneText({ text: '{"name', document: A }, A)).toBe('{"name');
  expect(paneText({ text: '{"name', document: B }, A)).toBe(printed);
  expect(printDocument({ nodes: [{ config: { b: 1, a: 2 }, x: 1, id: 'n' }], version: 'v2' })).toBe(
    JSON.stringify({ version: 'v2', nodes: [{ id: 'n', config: { a: 2, b: 1 }, x: 1 }] }, null, 2),
  );
});

it('keys belong to the field while somebody types in one, but for those that mean the same everywhere', () => {
  const press = (key: string, more = {}) => ({
    key,
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    altKey: false,
    ...more,
  });
  expect(shortcutOf(press('z', { ctrlKey: true }), false)).toBe('undo');
  expect(shortcutOf(press('Z', { metaKey: true, shiftKey: true }), false)).toBe('redo');
  expect(shortcutOf(press('z', { ctrlKey: true }), true)).toBeNull();
  expect(shortcutOf(press('k', { metaKey: true }), true)).toBe('commands');
  expect(shortcutOf(press('Delete'), false)).toBe('delete');
  expect(shortcutOf(press('c'), false)).toBeNull();
});

function server() {
  const saved: { document: unknown; revision: number }[] = [];
  const answers: SaveResult[] = [];
  const save = async (document: unknown, revision: number): Promise<SaveResult> => {
    saved.push({ document, revision });
    return answers.shift() ?? { type: 'saved', revision: revision + 1 };
  };
  return { saved, answers, save };
}

it('changes are saved together a moment later, each time on top of the revision before', async () => {
  const { saved, save } = server();
  const autosave = createAutosave({ document: A, revision: 4, save, pauseMs: 5 });
  autosave.change(B);
  autosave.change(C);
  expect(autosave.read().status).toBe('waiting');
  await expect.poll(() => autosave.read().status).toBe('saved');
  autosave.change(A);
  expect(await autosave.flush()).toBe(true);
  expect(saved).toEqual([
    { document: C, revision: 4 },
    { document: A, revision: 5 },
  ]);
});

it('what was changed while it was being saved is saved next, never at the same time', async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const sent: unknown[] = [];
  const save = async (document: unknown, revision: number): Promise<SaveResult> => {
    sent.push(document);
    await gate;
    return { type: 'saved', revision: revision + 1 };
  };
  const autosave = createAutosave({ document: A, revision: 1, save, pauseMs: 1 });
  autosave.change(B);
  const first = autosave.flush();
  autosave.change(C);
  expect(sent).toEqual([B]);
  open();
  expect(await first).toBe(true);
  expect(sent).toEqual([B, C]);
  expect(autosave.read()).toMatchObject({ status: 'saved', revision: 3 });
});

it('a conflict stops saving until it is settled, and either side can be kept', async () => {
  const { saved, answers, save } = server();
  answers.push({ type: 'conflict' });
  const autosave = createAutosave({ document: A, revision: 1, save, pauseMs: 1 });
  autosave.change(B);
  expect(await autosave.flush()).toBe(false);
  autosave.change(C);
  expect(autosave.read().status).toBe('conflict');
  expect(saved).toHaveLength(1);
  autosave.rebase({ revision: 7 });
  expect(await autosave.flush()).toBe(true);
  expect(saved[1]).toEqual({ document: C, revision: 7 });
  autosave.rebase({ revision: 9, document: A });
  expect(autosave.read()).toMatchObject({ status: 'saved', revision: 9 });
  expect(autosave.isSaved()).toBe(true);
});

it('what passes is tried again by itself, and says so meanwhile', async () => {
  const { answers, save } = server();
  answers.push({ type: 'failed', message: 'offline', isPassing: true });
  const autosave = createAutosave({ document: A, revision: 1, save, pauseMs: 1, retryMs: 5 });
  autosave.change(B);
  await autosave.flush();
  expect(autosave.read()).toMatchObject({ status: 'failed', message: 'offline' });
  await expect.poll(() => autosave.read().status).toBe('saved');
});
