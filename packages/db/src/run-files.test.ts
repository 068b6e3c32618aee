import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { purgeOldRuns } from './retention.ts';
import {
  beginRunFile,
  endRunFile,
  FILE_CHUNK_BYTES,
  type FileOwner,
  findReadableFile,
  readFileChunk,
  removeRunFile,
  writeFileChunk,
} from './run-files.ts';
import { claimRun, recordRun } from './run-ownership.ts';
import { copySteps } from './runs.ts';
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
  const options = { poolSize: 2, applicationName: 'files-test', onError: () => {} };
  api = connectDatabase({ url: database.apiUrl, ...options });
  worker = connectDatabase({ url: database.workerUrl, ...options });
  tenant = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

async function claim(stepKey = 'get'): Promise<FileOwner> {
  const { orgId } = tenant;
  const runId = await seedQueuedRun(admin, tenant);
  const answer = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return { orgId, runId, leaseToken: answer.run.leaseToken, stepKey };
}

const META = { name: 'a.bin', contentType: 'application/octet-stream' };

async function store(owner: FileOwner, texts: string[], isFirst = true): Promise<string> {
  const fileId = newId();
  await beginRunFile(worker, owner, { id: fileId, ...META }, isFirst);
  for (const [number, text] of texts.entries())
    expect(await writeFileChunk(worker, owner, { fileId, number, data: Buffer.from(text) })).toBe(true);
  await endRunFile(worker, owner, { fileId, sizeBytes: texts.join('').length });
  return fileId;
}

async function read(db: Database, run: { orgId: string; runId: string }, fileId: string): Promise<string | null> {
  const file = await findReadableFile(db, run, fileId);
  return file === null ? null : String(await readFileChunk(db, run.orgId, file, 0));
}

async function idsOf(runId: string): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>('SELECT id FROM app.workflow_run_files WHERE run_id = $1', [
    runId,
  ]);
  return rows.map(({ id }) => id);
}

async function chunksOf(runId: string): Promise<number> {
  const { rows } = await admin.query(
    'SELECT count(*)::integer AS count FROM app.workflow_run_file_chunks WHERE run_id = $1',
    [runId],
  );
  return rows[0].count;
}

describe('a file of a run', () => {
  it('can be read once all of it is stored', async () => {
    const owner = await claim();
    const file = { id: newId(), ...META };
    expect(await beginRunFile(worker, owner, file, true)).toBe(0);
    await writeFileChunk(worker, owner, { fileId: file.id, number: 0, data: Buffer.from('abc') });
    expect(await read(worker, owner, file.id)).toBeNull();
    expect(await endRunFile(worker, owner, { fileId: file.id, sizeBytes: 3 })).toBe(3);
    expect(await read(worker, owner, file.id)).toBe('abc');
  });

  it('may be written again where an answer was lost', async () => {
    const owner = await claim();
    const file = { id: newId(), ...META };
    for (let time = 0; time < 2; time += 1) {
      expect(await beginRunFile(worker, owner, file, true)).toBe(0);
      for (let again = 0; again < 2; again += 1)
        await writeFileChunk(worker, owner, { fileId: file.id, number: 0, data: Buffer.from('abc') });
    }
    for (let time = 0; time < 2; time += 1)
      expect(await endRunFile(worker, owner, { fileId: file.id, sizeBytes: 3 })).toBe(3);
    for (let time = 0; time < 2; time += 1) await removeRunFile(worker, owner, file.id);
    expect([await idsOf(owner.runId), await chunksOf(owner.runId)]).toEqual([[], 0]);
  });

  it('clears away what an earlier attempt of its step has left, and of no other', async () => {
    const owner = await claim();
    const left = await store(owner, ['old']);
    const others = await store({ ...owner, stepKey: 'other' }, ['other']);
    const first = await store(owner, ['new']);
    const second = await store(owner, ['more'], false);
    expect((await idsOf(owner.runId)).toSorted()).toEqual([others, first, second].toSorted());
    // What was still under way of that attempt ends there.
    expect(await writeFileChunk(worker, owner, { fileId: left, number: 1, data: Buffer.from('x') })).toBe(false);
    expect(await endRunFile(worker, owner, { fileId: left, sizeBytes: 4 })).toBeNull();
  });

  it('is begun by nobody who lost the run', async () => {
    const owner = await claim();
    const late = { ...owner, leaseToken: owner.leaseToken - 1 };
    expect(await beginRunFile(worker, late, { id: newId(), ...META }, true)).toBeNull();
    expect(await idsOf(owner.runId)).toEqual([]);
  });

  it('is begun by whoever has taken an offered attempt, until that is taken back or forgotten', async () => {
    const owner = await claim();
    const { orgId, runId, leaseToken } = owner;
    const taken = { attempt: 1, executorId: newId() };
    await admin.query(
      `INSERT INTO app.workflow_run_attempts (org_id, run_id, step_key, attempt, lease_token, executor_id, lease_until)
       VALUES ($1, $2, 'get', 1, $3, $4, now() + interval '1 minute')`,
      [orgId, runId, leaseToken, taken.executorId],
    );
    const fileId = await store({ ...owner, taken }, ['theirs']);
    const late = () => beginRunFile(worker, { ...owner, taken }, { id: newId(), ...META }, true);
    const strangers = { ...owner, taken: { attempt: 1, executorId: newId() } };
    expect(await beginRunFile(worker, strangers, { id: newId(), ...META }, true)).toBeNull();
    await admin.query('UPDATE app.workflow_run_attempts SET lease_until = NULL WHERE run_id = $1', [runId]);
    expect(await late()).toBeNull();
    await admin.query('DELETE FROM app.workflow_run_attempts WHERE run_id = $1', [runId]);
    expect(await late()).toBeNull();
    expect(await idsOf(runId)).toEqual([fileId]);
  });

  it('is there for its run and those below it, for no other run and no other organization', async () => {
    const owner = await claim();
    const fileId = await store(owner, ['mine']);
    const child = await seedQueuedRun(admin, tenant);
    const grandchild = await seedQueuedRun(admin, tenant);
    const adopt = 'UPDATE app.workflow_runs SET parent_run_id = $2, parent_step_key = $3, depth = $4 WHERE id = $1';
    await admin.query(adopt, [child, owner.runId, 'call', 1]);
    await admin.query(adopt, [grandchild, child, 'call', 2]);
    for (const runId of [owner.runId, child, grandchild])
      expect(await read(worker, { orgId: owner.orgId, runId }, fileId)).toBe('mine');
    const stranger = await seedTenant(admin);
    const refused = [
      { orgId: owner.orgId, runId: tenant.endedRunId },
      { orgId: stranger.orgId, runId: owner.runId },
      { orgId: stranger.orgId, runId: stranger.endedRunId },
    ];
    for (const run of refused) expect(await read(worker, run, fileId)).toBeNull();
    const below = newId();
    await admin.query(
      `INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type, size_bytes)
       VALUES ($1, $2, $3, 'get', 'a', 'text/plain', 0)`,
      [owner.orgId, child, below],
    );
    expect(await findReadableFile(worker, owner, below)).toBeNull();
  });

  it('is copied with the step that a retry keeps, and gone with the run', async () => {
    const owner = await claim();
    const { orgId, runId, leaseToken } = owner;
    const kept = await store(owner, ['x'.repeat(FILE_CHUNK_BYTES), 'end']);
    await store({ ...owner, stepKey: 'failed' }, ['no']);
    const own = { recordId: newId(), orgId, runId, workflowId: tenant.workflowId, leaseToken, leaseMs: 60_000 };
    const type = 'http.request';
    const steps = [
      { stepKey: 'get', type, status: 'succeeded', attempt: 1, output: { body: { $file: kept } } },
      { stepKey: 'failed', type, status: 'failed', attempt: 1 },
    ] as const;
    const end = { status: 'failed', nextAttemptAt: null, attemptCount: 1, release: true } as const;
    await recordRun(worker, { ...own, ...end, steps: [...steps], error: { code: 'X', message: 'x' } });
    const toRunId = await seedQueuedRun(admin, tenant);
    const copied = ['get', 'failed'].map((stepKey) => ({ stepKey, loop: null }));
    await withOrg(api, orgId, (tx) => copySteps(tx, { fromRunId: runId, toRunId, kept: copied }));
    expect(await idsOf(toRunId)).toEqual([kept]);
    expect(await purgeOldRuns(api, { orgId, days: 0 })).toBeGreaterThan(0);
    expect([await idsOf(runId), await chunksOf(runId), await chunksOf(toRunId)]).toEqual([[], 0, 2]);
    expect(await read(worker, { orgId, runId: toRunId }, kept)).toHaveLength(FILE_CHUNK_BYTES);
  });

  it('weighs in the portions that remove old runs', async () => {
    const { orgId } = tenant;
    const runs = [
      await seedQueuedRun(admin, tenant),
      await seedQueuedRun(admin, tenant),
      await seedQueuedRun(admin, tenant),
    ];
    await admin.query(
      `INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type, size_bytes)
       SELECT $1, run, run, 'a', 'a', 'text/plain', 9437184 FROM unnest($2::uuid[]) run`,
      [orgId, runs],
    );
    await admin.query(
      `INSERT INTO app.workflow_run_file_chunks (org_id, run_id, file_id, number, data)
       SELECT $1, run, run, n, convert_to(repeat('x', 262144), 'UTF8') FROM unnest($2::uuid[]) run, generate_series(0, 35) n`,
      [orgId, runs],
    );
    await admin.query(
      `UPDATE app.workflow_runs SET status = 'succeeded', next_sweep_at = NULL, finished_at = now() - interval '40 days'
       WHERE id = ANY ($1)`,
      [runs],
    );
    const portions: (number | null)[] = [];
    for (let purged: number | null = 1; purged; portions.push(purged))
      purged = await purgeOldRuns(api, { orgId, days: 30 });
    expect(portions).toEqual([1, 1, 1, 0]);
  });
});
