import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';

/** Rule 23: files pass through a run piece by piece and belong to it alone. */

const MB = 1024 * 1024;
const PIECE = randomBytes(MB);
const LARGE_MB = 50;

let platform: TestPlatform;
let server: Awaited<ReturnType<typeof startFileServer>>;
let worker: TestWorker;

beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  server = await startFileServer();
  worker = await platform.startWorker(settings());
});
afterAll(async () => {
  server?.close();
  await platform.close();
});

const settings = () => ({ EGRESS_ALLOW_CIDRS: server.egress, WORKFLOW_MAX_FILE_BYTES: String(60 * MB) });

interface Upload {
  path: string;
  hash: string;
  bytes: number;
  type: string | undefined;
}

/** `/<n>` gives n MB; `/stuck` begins and goes on once `release` was called; what is sent to it is hashed. */
async function startFileServer() {
  const uploads: Upload[] = [];
  const waiting: (() => void)[] = [];
  let isOpen = false;
  let failures = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const [, path = ''] = (request.url ?? '').split('/');
    if (request.method === 'GET') return send(path, response);
    const upload = await readUpload(request, path);
    uploads.push(upload);
    if (path === 'flaky' && failures++ === 0) return void response.writeHead(503).end();
    response.writeHead(path === 'refused' ? 400 : 200).end();
  };
  const send = async (path: string, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'image/png', 'content-disposition': 'attachment; filename="photo.png"' });
    await pipeline(Readable.from(pieces(path)), response);
  };
  async function* pieces(path: string) {
    for (let sent = 0; sent < (path === 'stuck' ? 3 : Number(path)); sent += 1) {
      if (path === 'stuck' && sent === 2 && !isOpen) await new Promise<void>((resolve) => waiting.push(resolve));
      yield PIECE;
    }
  }
  const http = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    egress: `127.0.0.1/32:${port}`,
    uploads,
    release: () => {
      isOpen = true;
      for (const go of waiting.splice(0)) go();
    },
    close: () => {
      http.closeAllConnections();
      http.close();
    },
  };
}

async function readUpload(request: IncomingMessage, path: string): Promise<Upload> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of request) {
    hash.update(part);
    bytes += part.length;
  }
  return { path, hash: hash.digest('hex'), bytes, type: request.headers['content-type'] };
}

function hashOf(megabytes: number): string {
  const hash = createHash('sha256');
  for (let n = 0; n < megabytes; n += 1) hash.update(PIECE);
  return hash.digest('hex');
}

const download = (id: string, path: string, more: object = {}) => ({
  id,
  type: 'http.request',
  timeoutMs: 120_000,
  ...more,
  config: { method: 'GET', url: `${server.url}/${path}`, responseType: 'file' },
});
const upload = (id: string, path: string, body: unknown, more: object = {}) => ({
  id,
  type: 'http.request',
  timeoutMs: 120_000,
  ...more,
  config: { method: 'PUT', url: `${server.url}/${path}`, body },
});
const document = (...nodes: object[]) => ({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });

async function filesOf(runId: string) {
  const { rows } = await platform.admin.pool.query<{ id: string; step: string; size: number | null; stored: number }>(
    `SELECT f.id, f.step_key AS step, f.size_bytes::integer AS size, coalesce(sum(octet_length(c.data)), 0)::integer AS stored
     FROM app.workflow_run_files f LEFT JOIN app.workflow_run_file_chunks c ON c.run_id = f.run_id AND c.file_id = f.id
     WHERE f.run_id = $1 GROUP BY f.id, f.step_key, f.size_bytes`,
    [runId],
  );
  return rows;
}

async function fileIdOf(run: TestRun, step: string): Promise<string> {
  const { output } = (await run.steps())[step] ?? {};
  return (output as { body: { $file: string } }).body.$file;
}

/** Linux tells it in kB. */
const residentMb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

test('50 MB go from one server to another as they are, in bounded memory', { timeout: 180_000 }, async () => {
  // What a first file takes for good (code, buffers that the collector has not freed yet) does not grow with the size.
  await (
    await platform.run(document(download('get', '20'), upload('put', 'small', '{% $steps.get.output.body %}')))
  ).until();
  const before = residentMb(worker.pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, residentMb(worker.pid));
  }, 20);
  const run = await platform.run(
    document(download('get', String(LARGE_MB)), upload('put', 'large', '{% $steps.get.output.body %}')),
  );
  const row = await run.until(undefined, 150_000);
  clearInterval(sampler);
  expect(row).toMatchObject({ status: 'succeeded' });
  const [file] = await filesOf(run.runId);
  const bytes = LARGE_MB * MB;
  expect((await run.steps()).get?.output).toMatchObject({
    body: { $file: file?.id, name: 'photo.png', contentType: 'image/png', sizeBytes: bytes },
  });
  expect(file).toMatchObject({ step: 'get', size: bytes, stored: bytes });
  const sent = server.uploads.filter(({ path }) => path === 'large');
  expect(sent).toEqual([{ path: 'large', hash: hashOf(LARGE_MB), bytes, type: 'image/png' }]);
  expect(most - before).toBeLessThan(100);
  reportFigure('A file of 50 MB through a workflow', `${Math.round(most - before)} MB more memory at most`);
});

test('a file that is too large fails its step at once and leaves nothing behind', async () => {
  const retry = { retry: { maxAttempts: 3, backoffMs: 1 } };
  const run = await platform.run(document(download('get', '61', retry)));
  const error = { code: 'OUTPUT_TOO_LARGE', stepId: 'get' };
  expect(await run.until(undefined, 120_000)).toMatchObject({ status: 'failed', error, attemptCount: 1 });
  expect(await filesOf(run.runId)).toEqual([]);
});

test('the files of one run have a limit together', async () => {
  const queue = await platform.startWorker({ ...settings(), WORKFLOW_MAX_RUN_FILES_BYTES: String(5 * MB) });
  worker.signal('SIGTERM');
  await worker.ended();
  worker = queue;
  const run = await platform.run(document(download('one', '3'), download('two', '3')));
  expect(await run.until(undefined, 60_000)).toMatchObject({ error: { code: 'OUTPUT_TOO_LARGE', stepId: 'two' } });
  expect((await filesOf(run.runId)).map(({ step }) => step)).toEqual(['one']);
  worker = await platform.startWorker(settings());
  queue.signal('SIGTERM');
  await queue.ended();
});

test('each attempt of an upload reads the file anew', async () => {
  const retry = { retry: { maxAttempts: 2, backoffMs: 1 } };
  const run = await platform.run(
    document(download('get', '2'), upload('put', 'flaky', '{% $steps.get.output.body %}', retry)),
  );
  expect(await run.until()).toMatchObject({ status: 'succeeded', attemptCount: 2 });
  const sent = server.uploads.filter(({ path }) => path === 'flaky');
  expect(sent.map(({ hash }) => hash)).toEqual([hashOf(2), hashOf(2)]);
});

test('files of other runs are not there', async () => {
  const run = await platform.run(document(download('get', '1')));
  await run.until();
  const $file = await fileIdOf(run, 'get');
  for (const id of [$file, 'no-id']) {
    const other = await platform.run(document(upload('put', 'other', { $file: id })));
    expect(await other.until()).toMatchObject({ status: 'failed', error: { code: 'FILE_NOT_FOUND', stepId: 'put' } });
  }
  expect(server.uploads.filter(({ path }) => path === 'other')).toEqual([]);
});

test('a run that a step started reads the files of the run above it', async () => {
  const child = await platform.publish(document(upload('put', 'child', '{% $trigger.input %}')));
  const config = { workflowId: child, input: '{% $steps.get.output.body %}' };
  const run = await platform.run(document(download('get', '1'), { id: 'call', type: 'subworkflow', config }));
  expect(await run.until(undefined, 60_000)).toMatchObject({ status: 'succeeded' });
  expect(server.uploads.find(({ path }) => path === 'child')).toMatchObject({ hash: hashOf(1), bytes: MB });
});

test('a worker killed in the middle of a file leaves none of it behind', { timeout: 120_000 }, async () => {
  const run = await platform.run(document(download('get', 'stuck')));
  await eventually(
    async () => (await filesOf(run.runId)).some(({ size, stored }) => size === null && stored > MB),
    () => 'some of the file is stored',
  );
  const [before] = await filesOf(run.runId);
  worker.signal('SIGKILL');
  await worker.ended();
  server.release();
  worker = await platform.startWorker(settings());
  expect(await run.until(undefined, 90_000)).toMatchObject({ status: 'succeeded' });
  const [file, ...others] = await filesOf(run.runId);
  expect(others).toEqual([]);
  expect(file).toMatchObject({ id: await fileIdOf(run, 'get'), size: 3 * MB, stored: 3 * MB });
  expect(file?.id).not.toBe(before?.id);
});
