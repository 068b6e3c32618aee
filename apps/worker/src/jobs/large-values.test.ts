import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type TestPlatform } from '../testing.ts';

/** Rule 23: values of more than 64 kB leave their rows, and nothing else changes for a document. */

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  await platform.startWorker();
});
afterAll(() => platform.close());

const document = (nodes: object[], more: object = {}) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes,
  ...more,
});
const transform = (id: string, value: unknown) => ({ id, type: 'transform', config: { value } });
const delay = (id: string) => ({ id, type: 'delay', config: { for: 'PT0.1S' } });
const items = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, n) => ({ n, text: String(n).padStart(bytes, '.') }));

async function sizesOf(runId: string): Promise<Record<string, number>> {
  const { rows } = await platform.admin.pool.query<{ key: string; size: number }>(
    `SELECT step_key || ':' || field AS key, size_bytes AS size FROM app.workflow_run_blobs WHERE run_id = $1`,
    [runId],
  );
  return Object.fromEntries(rows.map(({ key, size }) => [key, size]));
}

test('later steps read large values, by plain paths and others, also after the run was given up and taken again', async () => {
  const input = { items: items(20, 5_000) };
  const run = await platform.run(
    document(
      [
        transform('all', '{% $trigger.input %}'),
        delay('pause'),
        transform('one', '{% $steps.all.output.items[7].n %}'),
        transform('sum', '{% $sum($steps.all.output.items.n) %}'),
      ],
      { output: { one: '{% $steps.one.output %}', sum: '{% $steps.sum.output %}', all: '{% $steps.all.output %}' } },
    ),
    { input },
  );
  expect(await run.until()).toMatchObject({ status: 'succeeded', output: null });
  const steps = await run.steps();
  expect([steps.all?.output, steps.one?.output, steps.sum?.output]).toEqual([null, 7, 190]);
  const size = JSON.stringify(input).length;
  expect(await sizesOf(run.runId)).toEqual({
    'all:input': size + '{"value":}'.length,
    'all:output': size,
    ':output': size + '{"one":7,"sum":190,"all":}'.length,
  });
});

test('iterations give and take large values', async () => {
  const body = {
    nodes: [transform('copy', '{% $item %}'), delay('pause'), transform('again', '{% $steps.copy.output %}')],
  };
  const input = items(4, 70_000);
  const loop = { id: 'each', type: 'foreach', config: { items: '{% $trigger.input %}', body } };
  const run = await platform.run(document([loop, transform('last', '{% $steps.each.output[3].n %}')]), { input });
  expect(await run.until()).toMatchObject({ status: 'succeeded', output: 3 });
  const sizes = await sizesOf(run.runId);
  expect(sizes['each.0:output']).toBe(JSON.stringify(input[0]).length);
  expect(sizes['each:output']).toBe(JSON.stringify(input).length);
});

test('more than 1 MB is too much for expressions that are not plain, and for these alone', async () => {
  const input = items(12, 90_000);
  const plain = await platform.run(
    document([transform('all', '{% $trigger.input %}'), transform('one', '{% $steps.all.output[11].n %}')]),
    { input },
  );
  expect(await plain.until()).toMatchObject({ status: 'succeeded', output: 11 });
  const other = await platform.run(
    document([transform('all', '{% $trigger.input %}'), transform('sum', '{% $sum($steps.all.output.n) %}')]),
    { input },
  );
  expect(await other.until()).toMatchObject({
    status: 'failed',
    error: { code: 'EXPRESSION_INPUT_TOO_LARGE', stepId: 'sum' },
  });
});

test('a plain path works at any size beside an expression that is none', async () => {
  const input = { id: 7, items: items(12, 95_000) };
  const value = {
    url: '/{% $string($steps.small.output) %}',
    all: '{% $steps.big.output %}',
    same: '{% $trigger.input %}',
  };
  const nodes = [transform('big', '{% $trigger.input %}'), transform('small', '{% $trigger.input.id %}')];
  const run = await platform.run(document([...nodes, transform('both', value), transform('end', ONE_OF_EACH)]), {
    input,
  });
  expect(await run.until()).toMatchObject({ status: 'succeeded', output: ['/7', 11, 7] });
});

const ONE_OF_EACH = [
  '{% $steps.both.output.url %}',
  '{% $steps.both.output.all.items[11].n %}',
  '{% $steps.both.output.same.id %}',
];

test.each([
  ['plain paths', Array.from({ length: 20 }, () => '{% $trigger.input %}')],
  ['other expressions', '{% $map([1..20], function($i) { $trigger.input }) %}'],
])('a step whose %s give more than 16 MB fails with OUTPUT_TOO_LARGE, without another attempt', async (_, value) => {
  const run = await platform.run(document([transform('wide', value)]), { input: 'x'.repeat(990_000) });
  expect(await run.until(undefined, 60_000)).toMatchObject({
    status: 'failed',
    error: { code: 'OUTPUT_TOO_LARGE', stepId: 'wide' },
    attemptCount: 1,
  });
});

test('the values of a loop that are too large together fail it, without another attempt', async () => {
  const body = { nodes: [transform('copy', '{% $trigger.input %}')] };
  const loop = {
    ...{ id: 'each', type: 'foreach' },
    config: { items: Array.from({ length: 20 }, (_, n) => n), concurrency: 5, body },
  };
  const run = await platform.run(document([loop]), { input: 'x'.repeat(1_000_000) });
  expect(await run.until(undefined, 60_000)).toMatchObject({
    status: 'failed',
    error: { code: 'OUTPUT_TOO_LARGE', stepId: 'each' },
    attemptCount: 1,
  });
});
