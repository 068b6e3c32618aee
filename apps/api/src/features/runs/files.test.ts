import { createHash, randomBytes } from 'node:crypto';
import type { Database } from '@millrace/db/connect';
import { beginRunFile, endRunFile, FILE_CHUNK_BYTES, writeFileChunk } from '@millrace/db/run-files';
import { claimRun } from '@millrace/db/run-ownership';
import { type SeededTenant, seedQueuedRun } from '@millrace/db/testing-rows';
import { getRunFile } from '@millrace/shared/contracts/run-values';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fillPath } from '../../http/testing.ts';
import type { TestApi } from '../../testing.ts';
import { openSeededScene, type SeededScene } from './testing.ts';

let scene: SeededScene;
let api: TestApi;
let admin: Database;
let worker: Database;
let tenant: SeededTenant;
let token: string;

beforeAll(async () => {
  scene = await openSeededScene();
  ({ api, admin, worker, tenant, token } = scene);
});
afterAll(() => scene.close());

interface Stored {
  runId: string;
  fileId: string;
}

async function storeFile(bytes: Buffer, meta: { name: string; contentType: string }, isWhole = true): Promise<Stored> {
  const { orgId } = tenant;
  const runId = await seedQueuedRun(admin.pool, tenant);
  const claim = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (claim.status !== 'claimed') throw new Error(claim.status);
  const owner = { orgId, runId, leaseToken: claim.run.leaseToken, stepKey: 'get' };
  const fileId = newId();
  await beginRunFile(worker, owner, { id: fileId, ...meta }, true);
  for (let number = 0; number * FILE_CHUNK_BYTES < bytes.length; number += 1) {
    const data = bytes.subarray(number * FILE_CHUNK_BYTES, (number + 1) * FILE_CHUNK_BYTES);
    await writeFileChunk(worker, owner, { fileId, number, data });
  }
  if (isWhole) await endRunFile(worker, owner, { fileId, sizeBytes: bytes.length });
  return { runId, fileId };
}

function get(params: Partial<Record<'workflowId' | 'runId' | 'fileId', string>>, method: 'GET' | 'HEAD' = 'GET') {
  const { orgId, workflowId } = tenant;
  return api.app.inject({
    method,
    url: fillPath(getRunFile, { orgId, workflowId, ...params }),
    headers: { authorization: `Bearer ${token}`, 'x-org-id': orgId },
  });
}

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

it('answers the bytes of a file, to be kept and not to be run', async () => {
  const bytes = randomBytes(3 * FILE_CHUNK_BYTES + 1);
  const stored = await storeFile(bytes, { name: 'Größe "1".png', contentType: 'image/png; x=1' });
  const answer = await get(stored);
  expect([answer.statusCode, hashOf(answer.rawPayload)]).toEqual([200, hashOf(bytes)]);
  expect(answer.headers).toMatchObject({
    'content-type': 'image/png',
    'content-length': String(bytes.length),
    'content-disposition': expect.stringMatching(
      /^attachment; filename=.*; filename\*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22\.png$/,
    ),
    'content-security-policy': expect.stringMatching(/^sandbox;/),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  const head = await get(stored, 'HEAD');
  expect([head.statusCode, head.headers['content-length'], head.rawPayload.length]).toEqual([
    200,
    String(bytes.length),
    0,
  ]);
});

it.each([
  ['text/html', 'application/octet-stream'],
  ['image/svg+xml', 'application/octet-stream'],
  ['text/javascript; charset=utf-8', 'application/octet-stream'],
  ['TEXT/PLAIN; charset=utf-8', 'text/plain'],
])('says of %s that it is %s', async (contentType, told) => {
  const answer = await get(await storeFile(Buffer.from('<script>'), { name: 'a', contentType }));
  expect([answer.headers['content-type'], answer.body]).toEqual([told, '<script>']);
});

it('answers an empty file', async () => {
  const answer = await get(await storeFile(Buffer.alloc(0), { name: 'empty.txt', contentType: 'text/plain' }));
  expect([answer.statusCode, answer.headers['content-length'], answer.body]).toEqual([200, '0', '']);
});

it('is 404 for a file of another run or workflow, one that is not whole, and none at all', async () => {
  const meta = { name: 'a.txt', contentType: 'text/plain' };
  const stored = await storeFile(Buffer.from('a'), meta);
  const other = await storeFile(Buffer.from('b'), meta);
  const started = await storeFile(Buffer.from('c'), meta, false);
  for (const params of [
    { runId: other.runId, fileId: stored.fileId },
    { ...stored, workflowId: newId() },
    { ...stored, fileId: newId() },
    started,
  ])
    expect((await get(params)).statusCode).toBe(404);
});
