import { expect, test } from 'vitest';
import { createPlanner } from './planner.ts';

const defaults = { maxAttempts: 3, backoffMs: 10 };

/** A planner over documents of this many characters, and the versions it has loaded. */
function plannerOf(characters: number) {
  const loaded: number[] = [];
  const value = 'x'.repeat(characters);
  const nodes = [{ id: 'one', type: 'transform', config: { value } }];
  const planner = createPlanner(defaults, async ({ version }) => {
    loaded.push(version);
    return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
  });
  const prepare = (version: number) => planner({ orgId: 'org', workflowId: 'flow', version });
  return { loaded, prepare };
}

test('a version is loaded once while it is among the most recently used', async () => {
  const { loaded, prepare } = plannerOf(10);
  for (let version = 1; version <= 500; version += 1) await prepare(version);
  await prepare(1);
  await prepare(501);
  expect(await prepare(1)).toMatchObject({ ok: true });
  expect(loaded).toHaveLength(501);
  await prepare(2);
  expect(loaded.slice(501)).toEqual([2]);
});

test('large versions are forgotten before they fill the memory, and one that is larger than all that is kept still runs', async () => {
  const { loaded, prepare } = plannerOf(1_000_000);
  for (let version = 1; version <= 8; version += 1) await prepare(version);
  await prepare(8);
  await prepare(2);
  expect(loaded).toHaveLength(8);
  await prepare(1);
  expect(loaded.slice(8)).toEqual([1]);
  const huge = plannerOf(9_000_000);
  expect([await huge.prepare(1), await huge.prepare(1)]).toMatchObject([{ ok: true }, { ok: true }]);
  expect(huge.loaded).toEqual([1]);
});

test('a version that an earlier release published runs, whatever later ones refuse to publish', async () => {
  const nodes = [
    { id: 'one', type: 'transform', config: { value: 1 }, timeoutMs: 5, idempotency: 'none' },
    { id: 'two', type: 'delay', config: { until: '2026-02-30T00:00:00Z' } },
  ];
  const load = (more: object) => async () => ({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...more });
  const ref = { orgId: 'org', workflowId: 'flow', version: 1 };
  expect(await createPlanner(defaults, load({}))(ref)).toMatchObject({ ok: true });
  expect(await createPlanner(defaults, load({ speed: 1 }))(ref)).toMatchObject({ ok: false });
});

test('a version of a language that this worker does not read says which ones it reads', async () => {
  const planner = createPlanner(defaults, async () => ({
    version: 'v3',
    trigger: { type: 'trigger.manual' },
    nodes: [],
  }));
  expect(await planner({ orgId: 'org', workflowId: 'flow', version: 1 })).toEqual({
    ok: false,
    problem: 'version: This program reads documents of version "v2".',
  });
});
