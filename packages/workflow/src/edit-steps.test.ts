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

test('only the body of a loop holds steps: what a request sends is copied as it is', () => {
  const sent = { order: 1, nodes: [{ id: 'a' }], edges: [{ from: 'a', to: 'b' }] };
  const request = (id: string, body: unknown) => ({
    ...{ id, type: 'http.request' },
    config: { method: 'POST', url: 'https://api.example.com', body },
  });
  const document = { ...chain, nodes: [value('a'), request('plain', { order: 1 }), request('graph', sent)] };
  const { edit } = pasteSteps(document, copySteps(document, ['a', 'plain', 'graph']) ?? { nodes: [], edges: [] }, {
    in: 'run',
  });
  const pasted = done(edit);
  expect(pasted.nodes).toStrictEqual([
    ...document.nodes,
    ...[value('a2'), request('plain2', { order: 1 }), request('graph2', sent)],
  ]);
  expect(validateDefinition(pasted).ok).toBe(true);
  const loop = { id: 'each', type: 'foreach', config: { items: [], body: { output: 1 } } };
  const unfinished = pasteSteps(chain, { nodes: [loop], edges: [] }, { in: 'run' });
  expect(done(unfinished.edit).nodes).toStrictEqual([...chain.nodes, loop]);
});

test('a copied join reads the copies of the steps that lead to it by their new ids, and another one by the old ones', () => {
  const join = { id: 'j', type: 'parallel.join', config: { mode: 'all' } };
  const read = value('c', '{% $steps.j.output.a & $steps.j.output.b & $steps.k.output.a %}');
  const nodes = [value('a'), value('b'), join, { ...join, id: 'k' }, read];
  const edges = [
    ...[
      { from: 'a', to: 'j' },
      { from: 'b', to: 'j' },
      { from: 'a', to: 'k' },
    ],
    ...[
      { from: 'j', to: 'c' },
      { from: 'k', to: 'c' },
    ],
  ];
  const document = { ...chain, nodes, edges };
  const { edit } = pasteSteps(document, copySteps(document, ['a', 'j', 'c']) ?? { nodes: [], edges: [] }, {
    in: 'run',
  });
  expect(done(edit).nodes).toContainEqual(
    value('c2', '{% $steps.j2.output.a2 & $steps.j2.output.b & $steps.k.output.a %}'),
  );
});

test("steps that take each other's names when they are pasted read each other as before", () => {
  const nodes = [
    value('a'),
    value('a2', '{% $steps.a.output %}'),
    value('b', '{% $steps.a.output & $steps.a2.output %}'),
  ];
  const clip = {
    nodes,
    edges: [
      { from: 'a', to: 'a2' },
      { from: 'a2', to: 'b' },
    ],
  };
  const { edit } = pasteSteps({ ...chain, nodes: [value('a')] }, clip, { in: 'run' });
  const ids = new Map<string, string>();
  const pasted = done(edit).nodes as { id: string; config: { value: string } }[];
  for (const [index, { id }] of nodes.entries()) ids.set(id, pasted[index + 1]?.id ?? '');
  const [a, a2] = [ids.get('a'), ids.get('a2')];
  expect(new Set(['a', a, a2]).size).toBe(3);
  expect(pasted.slice(2).map(({ config }) => config.value)).toEqual([
    `{% $steps.${a}.output %}`,
    `{% $steps.${a}.output & $steps.${a2}.output %}`,
  ]);
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
