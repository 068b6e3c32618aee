import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { MAX_INLINE_BYTES } from './run-blobs.ts';
import { type ClaimedRun, claimRun, type RunRecord, recordRun, type StepRecord } from './run-ownership.ts';
import { readRun } from './run-reads.ts';
import { readRunValue } from './run-values.ts';
import { copySteps, insertQueuedRun, loadOpenSteps, loadSteps } from './runs.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  const options = { poolSize: 2, applicationName: 'blobs-test', onError: () => {} };
  api = connectDatabase({ url: database.apiUrl, ...options });
  worker = connectDatabase({ url: database.workerUrl, ...options });
  tenant = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

async function claim(): Promise<ClaimedRun> {
  const runId = await seedQueuedRun(admin, tenant);
  const answer = await claimRun(worker, { orgId: tenant.orgId, runId, leaseMs: 60_000 });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

function recordOf(run: ClaimedRun, change: Partial<RunRecord> = {}): RunRecord {
  const { orgId, runId, workflowId, leaseToken } = run;
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: 60_000 };
  return { ...own, nextAttemptAt: null, attemptCount: 1, status: 'running', steps: [], release: false, ...change };
}

const stepOf = (change: Partial<StepRecord>): StepRecord => ({
  ...{ stepKey: 'one', type: 'transform', status: 'succeeded', attempt: 1 },
  ...change,
});
const addressOf = ({ orgId, workflowId, runId }: ClaimedRun) => ({ orgId, workflowId, runId });

async function read(run: ClaimedRun, stepKey: string | null, field: 'input' | 'output'): Promise<unknown> {
  const { workflowId, runId } = run;
  const text = await withOrg(api, run.orgId, (tx) => readRunValue(tx, { workflowId, runId, stepKey, field }));
  return text === null ? null : JSON.parse(text);
}

async function count(table: 'workflow_run_blobs' | 'workflow_run_events', { runId }: ClaimedRun): Promise<number> {
  const { rows } = await admin.query(`SELECT count(*)::integer AS count FROM app.${table} WHERE run_id = $1`, [runId]);
  return rows[0].count;
}

const large = (mark: string) => ({ mark, text: 'ü'.repeat(MAX_INLINE_BYTES) });
const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

describe('a large value', () => {
  it('leaves its row and is read by the worker as it was', async () => {
    const run = await claim();
    const values = { input: large('in'), output: large('out') };
    await recordRun(worker, recordOf(run, { steps: [stepOf(values)] }));
    expect(await loadSteps(worker, run.orgId, run.runId, ['one'])).toMatchObject([values]);
    const { rows } = await admin.query(
      'SELECT pg_column_size(s) AS size, input, output FROM app.workflow_run_steps s WHERE run_id = $1',
      [run.runId],
    );
    expect(rows).toEqual([{ size: expect.any(Number), input: null, output: null }]);
    expect(rows[0].size).toBeLessThan(300);
  });

  it('is one from the first byte over 64 kB on', async () => {
    const run = await claim();
    const fits = 'a'.repeat(MAX_INLINE_BYTES - 2);
    await recordRun(worker, recordOf(run, { steps: [stepOf({ input: fits, output: `${fits}a` })] }));
    const { rows } = await admin.query('SELECT field, size_bytes FROM app.workflow_run_blobs WHERE run_id = $1', [
      run.runId,
    ]);
    expect(rows).toEqual([{ field: 'output', size_bytes: MAX_INLINE_BYTES + 1 }]);
    expect(await loadSteps(worker, run.orgId, run.runId)).toMatchObject([{ input: fits, output: `${fits}a` }]);
  });

  it('is shown by its size, and as a whole when asked for', async () => {
    const run = await claim();
    const [input, output] = [large('in'), large('out')];
    await recordRun(worker, recordOf(run, { status: 'succeeded', steps: [stepOf({ input, output: 7 })], output }));
    const document = await readRun(api, addressOf(run));
    expect(document?.run.output).toEqual({ $large: { sizeBytes: sizeOf(output) } });
    expect(document?.steps).toMatchObject([{ input: { $large: { sizeBytes: sizeOf(input) } }, output: 7 }]);
    expect(await read(run, null, 'output')).toEqual(output);
    expect(await read(run, null, 'input')).toEqual({ n: 1 });
    expect(await read(run, 'one', 'input')).toEqual(input);
    expect(await read(run, 'one', 'output')).toBe(7);
    expect(await read(run, 'two', 'output')).toBeNull();
  });

  it('stays when its step ends without naming it again, and gives way to another', async () => {
    const run = await claim();
    const [first, second] = [large('first'), large('second')];
    await recordRun(worker, recordOf(run, { steps: [stepOf({ status: 'running', input: first })] }));
    await recordRun(worker, recordOf(run, { steps: [stepOf({ status: 'waiting' })] }));
    expect(await loadSteps(worker, run.orgId, run.runId)).toMatchObject([{ input: first }]);
    await recordRun(worker, recordOf(run, { steps: [stepOf({ status: 'running', input: second })] }));
    expect(await loadSteps(worker, run.orgId, run.runId)).toMatchObject([{ input: second }]);
    await recordRun(worker, recordOf(run, { steps: [stepOf({ status: 'running', input: 'small' })] }));
    expect(await loadSteps(worker, run.orgId, run.runId)).toMatchObject([{ input: 'small', status: 'running' }]);
    expect(await loadOpenSteps(worker, run.orgId, run.runId)).toEqual([
      { stepKey: 'one', type: 'transform', attempt: 1 },
    ]);
  });

  it('of a step that has ended never changes (R2)', async () => {
    const run = await claim();
    const output = large('first');
    await recordRun(worker, recordOf(run, { steps: [stepOf({ output })] }));
    await recordRun(worker, recordOf(run, { steps: [stepOf({ output: large('second') })] }));
    expect(await loadSteps(worker, run.orgId, run.runId)).toMatchObject([{ output }]);
  });

  it('of a worker that lost its lease is not written (R1)', async () => {
    const run = await claim();
    const late = recordOf(run, { leaseToken: run.leaseToken - 1, steps: [stepOf({ output: large('late') })] });
    expect(await recordRun(worker, late)).toBe('fenced');
    expect(await count('workflow_run_blobs', run)).toBe(0);
  });

  it('is copied to the run that retries this one, and goes with its own run', async () => {
    const run = await claim();
    const output = large('out');
    await recordRun(worker, recordOf(run, { status: 'failed', steps: [stepOf({ output })] }));
    const { orgId, workflowId } = run;
    const own = { id: newId(), workflowId, version: 1, triggerType: 'trigger.manual', maxAttempts: 1 };
    const copy = await withOrg(api, orgId, async (tx) => {
      const retry = await insertQueuedRun(tx, { ...own, requestedByUserId: null, retryOfRunId: run.runId });
      await copySteps(tx, { fromRunId: run.runId, toRunId: retry.id, kept: [{ stepKey: 'one', loop: null }] });
      return retry;
    });
    await admin.query('DELETE FROM app.workflow_runs WHERE id = $1', [run.runId]);
    expect(await count('workflow_run_blobs', run)).toBe(0);
    expect(await loadSteps(worker, orgId, copy.id)).toMatchObject([{ output }]);
  });
});

it('shows of a run with a thousand steps only values that leave the answer small, and each whole at its address', async () => {
  const run = await claim();
  const output = Array.from({ length: 2_000 }, (_, n) => n * 1.01).join();
  const steps = Array.from({ length: 1_000 }, (_, n) => stepOf({ stepKey: `s${n}`, input: { n }, output }));
  await recordRun(worker, recordOf(run, { steps }));
  const document = await readRun(api, addressOf(run));
  expect(JSON.stringify(document).length).toBeLessThan(4_000_000);
  expect(document?.steps).toHaveLength(1_000);
  expect(document?.steps[999]).toMatchObject({
    input: { n: 999 },
    output: { $large: { sizeBytes: expect.any(Number) } },
  });
  expect(await read(run, 's999', 'output')).toBe(output);
});

it('shows a large input of a run by its size', async () => {
  const run = await claim();
  const input = large('in');
  await admin.query('UPDATE app.workflow_runs SET input = $2 WHERE id = $1', [run.runId, JSON.stringify(input)]);
  const document = await readRun(api, addressOf(run));
  expect(document?.run.input).toEqual({ $large: { sizeBytes: expect.any(Number) } });
  expect(await read(run, null, 'input')).toEqual(input);
});

describe('a record that is sent again because its answer was lost', () => {
  const entries = [{ type: 'step.succeeded', stepId: 'one' }];

  it('tells the timeline nothing twice, while the run goes on', async () => {
    const run = await claim();
    const record = recordOf(run, { steps: [stepOf({ output: large('out') })], entries });
    expect(await recordRun(worker, record)).toBe('recorded');
    expect(await recordRun(worker, record)).toBe('recorded');
    expect(await count('workflow_run_events', run)).toBe(1);
    expect(await recordRun(worker, { ...record, recordId: newId() })).toBe('recorded');
    expect(await count('workflow_run_events', run)).toBe(2);
  });

  it('hears that the run was given up or has ended, even if somebody else owns it by now', async () => {
    const paused = await claim();
    const pause = recordOf(paused, { status: 'running', release: true, entries });
    expect(await recordRun(worker, pause)).toBe('recorded');
    expect((await claimRun(worker, { ...addressOf(paused), leaseMs: 60_000 })).status).toBe('claimed');
    expect(await recordRun(worker, pause)).toBe('recorded');
    expect(await recordRun(worker, { ...pause, recordId: newId() })).toBe('fenced');
    const ended = await claim();
    const end = recordOf(ended, { status: 'succeeded', release: true, entries });
    expect([await recordRun(worker, end), await recordRun(worker, end)]).toEqual(['recorded', 'recorded']);
    for (const run of [paused, ended]) expect(await count('workflow_run_events', run)).toBe(1);
  });

  it('is refused when it kept the run and the lease is lost by now', async () => {
    const run = await claim();
    const record = recordOf(run, { entries });
    await recordRun(worker, record);
    await admin.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [run.runId]);
    expect((await claimRun(worker, { ...addressOf(run), leaseMs: 60_000 })).status).toBe('claimed');
    expect(await recordRun(worker, record)).toBe('fenced');
  });
});
