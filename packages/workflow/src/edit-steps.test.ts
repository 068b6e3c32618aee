import { expect, test } from 'vitest';
import { copySteps, pasteSteps, printClip, readClip } from './clip.ts';
import { type Edit, setOption, setPart } from './edit.ts';
import { addStep, freeId, insertStep, isLoose, mainBranch, removeSteps } from './edit-steps.ts';
import { readOutline } from './outline.ts';
import { validateDefinition } from './validate.ts';

const value = (id: string, of: unknown = 1) => ({ id, type: 'transform', config: { value: of } });
const choice = (id: string) => ({ id, type: 'condition', config: { if: true } });
const chain = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [value('a'), value('b')] };

function done(edit: Edit): Record<string, unknown> {
  if (!edit.ok) {
    throw new Error(edit.problem.code);
  }
  return { ...edit.document };
}

test('a step is added after another one, onto an edge, before the first, or by itself', () => {
  const after = done(addStep(chain, choice('c'), { in: 'run' }, { at: 'after', from: 'b' }));
  expect(after.edges).toEqual([
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
  ]);
  const onEdge = done(addStep(after, choice('d'), { in: 'run' }, { at: 'edge', edge: { from: 'a', to: 'b' } }));
  expect(onEdge.edges).toEqual([
    { from: 'b', to: 'c' },
    { from: 'a', to: 'd' },
    { from: 'd', to: 'b', branch: 'true' },
  ]);
  const first = done(addStep(onEdge, value('e'), { in: 'run' }, { at: 'start', to: 'a' }));
  expect(first.edges).toContainEqual({ from: 'e', to: 'a' });
  const branch = { at: 'after', from: 'c', branch: 'false' } as const;
  const all = done(addStep(first, value('f'), { in: 'run' }, branch));
  expect(all.edges).toContainEqual({ from: 'c', to: 'f', branch: 'false' });
  expect(validateDefinition(all).ok).toBe(true);
  const loose = done(addStep(chain, value('g'), { in: 'run' }, { at: 'loose' }));
  expect(loose.edges).toEqual([{ from: 'a', to: 'b' }]);
});

test('a loose step is put onto an edge or before the first; one that is connected stays where it is', () => {
  const loose = done(addStep(chain, choice('c'), { in: 'run' }, { at: 'loose' }));
  expect(['a', 'c'].map((id) => isLoose(readOutline(loose).main, id))).toEqual([false, true]);
  const edge = { from: 'a', to: 'b' };
  const onEdge = done(insertStep(loose, 'c', { at: 'edge', edge }));
  expect(onEdge).toEqual(done(addStep(chain, choice('c'), { in: 'run' }, { at: 'edge', edge })));
  const first = done(insertStep(loose, 'c', { at: 'start', to: 'a' }));
  expect(first.edges).toEqual([edge, { from: 'c', to: 'a', branch: 'true' }]);
  for (const [id, code] of [
    ['b', 'NOT_LOOSE'],
    ['none', 'NOT_LOOSE'],
  ] as const)
    expect(insertStep(loose, id, { at: 'start', to: 'a' })).toMatchObject({ ok: false, problem: { code } });
  expect(insertStep(loose, 'c', { at: 'edge', edge: { from: 'b', to: 'a' } })).toMatchObject({ ok: false });
});

test('what runs after a failure comes with its first step and goes with its last', () => {
  const place = { in: 'onFailure' } as const;
  const tell = done(addStep(chain, value('tell'), place, { at: 'loose' }));
  expect(tell.settings).toEqual({ onFailure: { nodes: [value('tell')] } });
  expect(done(removeSteps(tell, ['tell']))).not.toHaveProperty('settings');
});

test('a step that is removed from between two others leaves them connected', () => {
  const nodes = [choice('a'), value('b'), value('c'), value('d')];
  const edges = [
    { from: 'a', to: 'b', branch: 'true' },
    { from: 'b', to: 'c' },
    { from: 'a', to: 'd', branch: 'false' },
  ];
  expect(done(removeSteps({ ...chain, nodes, edges }, ['b', 'd'])).edges).toEqual([
    { from: 'a', to: 'c', branch: 'true' },
  ]);
});

test('a new id is free, short and needs no backticks', () => {
  expect(['a', 'c', 'http.request', 'my-step', '7'].map((wished) => freeId(chain, wished))).toEqual([
    'a2',
    'c',
    'httprequest',
    'mystep',
    'step',
  ]);
});

test('a step goes on by the first of its branches, or by none', () => {
  expect(['transform', 'condition', 'approval', 'wait.webhook'].map((type) => mainBranch(type, {}))).toEqual([
    null,
    'true',
    'approved',
    null,
  ]);
});

test('copies refer to one another, wherever they are pasted, and to what was not copied as before', () => {
  const loop = {
    id: 'each',
    type: 'foreach',
    config: {
      items: '{% $steps.b.output %}',
      body: {
        nodes: [value('x'), value('y', '{% $steps.x.output & $steps.a.output %}')],
        edges: [{ from: 'x', to: 'y' }],
      },
    },
  };
  const document = { ...chain, nodes: [...chain.nodes, loop] };
  const clip = copySteps(document, ['b', 'each']);
  const read = readClip(printClip(clip ?? { nodes: [], edges: [] }));
  expect(read).toEqual(clip);
  const { edit, ids } = pasteSteps(document, clip ?? { nodes: [], edges: [] }, { in: 'run' });
  const pasted = done(edit);
  expect(ids).toEqual(['b2', 'each2']);
  expect(pasted.edges).toContainEqual({ from: 'b2', to: 'each2' });
  expect(pasted).toMatchObject({
    nodes: [
      ...[{ id: 'a' }, { id: 'b' }, { id: 'each' }, { id: 'b2' }],
      {
        config: {
          items: '{% $steps.b2.output %}',
          body: {
            nodes: [{ id: 'x2' }, { config: { value: '{% $steps.x2.output & $steps.a.output %}' } }],
            edges: [{ from: 'x2', to: 'y2' }],
          },
        },
      },
    ],
  });
  expect(readClip('{"nodes":[]}')).toBeNull();
  expect(readClip('no JSON')).toBeNull();
});

test('steps can be pasted where nothing was before', () => {
  const clip = copySteps(chain, ['a', 'b']) ?? { nodes: [], edges: [] };
  const { edit } = pasteSteps(chain, clip, { in: 'onFailure' });
  expect(done(edit).settings).toMatchObject({
    onFailure: { nodes: [{ id: 'a2' }, { id: 'b2' }], edges: [{ from: 'a2', to: 'b2' }] },
  });
});

test('options and parts are set and removed', () => {
  const named = done(setOption(chain, 'a', 'name', 'First'));
  expect(named).toMatchObject({ nodes: [{ id: 'a', name: 'First' }, {}] });
  expect(done(setOption(named, 'a', 'name', undefined))).toEqual(chain);
  expect(done(setPart(chain, 'output', null))).toEqual({ ...chain, output: null });
  expect(done(setPart(done(setPart(chain, 'output', 1)), 'output', undefined))).toEqual(chain);
});
