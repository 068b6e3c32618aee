import { ActionError, type Files } from '@millrace/connectors/sdk';
import {
  beginRunFile,
  endRunFile,
  FILE_CHUNK_BYTES,
  type FileOwner,
  findReadableFile,
  readFileChunk,
  removeRunFile,
  type StoredFile,
  writeFileChunk,
} from '@millrace/db/run-files';
import { jobRejected } from '@millrace/shared/events';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import pLimit from 'p-limit';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import { LeaseLostError } from './lease.ts';
import { type Held, persist } from './persist.ts';

/** Statements of files at a time, of all runs of the process: the records of runs need its connections too. */
const atATime = pLimit(4);

/**
 * The files of a run, for one attempt of one of its steps. Pieces are stored before the record that names the file; what an
 * attempt leaves behind that fails or dies, the next one removes, or the end of the run.
 */
export function openFiles(deps: FileDeps, { owner, lease, signal }: FilesOf): Files {
  const attempt: Attempt = { deps, owner, lease, signal, hasWritten: false };
  return {
    write: (content, meta) => writeFile(attempt, content, meta),
    read: (fileId) => openFile(attempt, fileId),
  };
}

type FileDeps = Pick<Deps, 'db' | 'config' | 'log'>;

interface FilesOf {
  owner: FileOwner;
  /** Of the run, or of the one attempt that this process executes of it. */
  lease: Held;
  signal: AbortSignal;
}

interface Attempt extends FilesOf {
  deps: FileDeps;
  hasWritten: boolean;
}

type Meta = Parameters<Files['write']>[1];

async function writeFile(attempt: Attempt, content: AsyncIterable<Uint8Array>, { declaredBytes, ...meta }: Meta) {
  const { db, config } = attempt.deps;
  assertFits(declaredBytes ?? 0, config.WORKFLOW_MAX_FILE_BYTES, ONE);
  const { owner } = attempt;
  const file = { id: newId(), ...meta };
  const isFirst = !attempt.hasWritten;
  attempt.hasWritten = true;
  const others = owned(await store(attempt, () => beginRunFile(db, owner, file, isFirst)));
  try {
    assertFits(others + (declaredBytes ?? 0), config.WORKFLOW_MAX_RUN_FILES_BYTES, ALL);
    const sizeBytes = await writeChunks(attempt, file.id, content);
    const total = owned(await store(attempt, () => endRunFile(db, owner, { fileId: file.id, sizeBytes })));
    assertFits(total, config.WORKFLOW_MAX_RUN_FILES_BYTES, ALL);
    return { $file: file.id, ...meta, sizeBytes };
  } catch (error) {
    // Whatever goes wrong here, the next attempt or the end of the run removes it.
    await atATime(() => removeRunFile(db, owner, file.id)).catch(() => {});
    throw error;
  }
}

async function writeChunks(attempt: Attempt, fileId: string, content: AsyncIterable<Uint8Array>): Promise<number> {
  const { db, config } = attempt.deps;
  let sizeBytes = 0;
  let number = 0;
  for await (const data of inChunks(content)) {
    sizeBytes += data.length;
    assertFits(sizeBytes, config.WORKFLOW_MAX_FILE_BYTES, ONE);
    const chunk = { fileId, number, data };
    const isWritten = await store(attempt, () => writeFileChunk(db, attempt.owner, chunk));
    owned(isWritten || null);
    number += 1;
  }
  return sizeBytes;
}

/** Pieces as they are stored, whatever pieces they came in. */
async function* inChunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of content) {
    parts.push(part);
    size += part.length;
    if (size < FILE_CHUNK_BYTES) continue;
    const all = Buffer.concat(parts);
    let from = 0;
    for (; from + FILE_CHUNK_BYTES <= size; from += FILE_CHUNK_BYTES) yield all.subarray(from, from + FILE_CHUNK_BYTES);
    parts = [all.subarray(from)];
    size -= from;
  }
  if (size > 0) yield Buffer.concat(parts);
}

async function openFile(attempt: Attempt, fileId: string) {
  const { deps, owner } = attempt;
  const { success } = z.uuid().safeParse(fileId);
  const file = success ? await store(attempt, () => findReadableFile(deps.db, owner, fileId)) : null;
  if (file === null) throw new ActionError('FILE_NOT_FOUND', MISSING);
  const { contentType, sizeBytes } = file;
  return { contentType, sizeBytes, open: () => readChunks(attempt, file) };
}

async function* readChunks(attempt: Attempt, file: StoredFile): AsyncGenerator<Buffer> {
  const { db } = attempt.deps;
  for (let number = 0; number * FILE_CHUNK_BYTES < file.sizeBytes; number += 1)
    yield await store(attempt, () => readFileChunk(db, attempt.owner.orgId, file, number));
}

/** Again while the database is away; not for an attempt that is over. What else goes wrong there is no business of a step. */
async function store<T>({ deps, lease, signal }: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await persist(lease, () => {
      signal.throwIfAborted();
      return atATime(work);
    });
  } catch (error) {
    if (signal.aborted || error instanceof LeaseLostError) throw stopped();
    jobRejected(deps.log, {
      jobName: 'run.execute',
      error: messageOf(error),
    });
    throw new ActionError('INTERNAL', 'The file could not be stored or read.');
  }
}

/** @throws ActionError for null: another owner, or a later attempt, is at it. */
function owned<T>(answer: T | null): T {
  if (answer === null) throw stopped();
  return answer;
}

function stopped(): ActionError {
  return new ActionError('ABORTED', 'The step was stopped before its file was stored.');
}

const ONE = 'The file is';
const ALL = 'The files of this run together are';
const MISSING = 'There is no such file in this run; files of other runs cannot be read.';

function assertFits(bytes: number, limit: number, what: string): void {
  if (bytes > limit) throw new ActionError('OUTPUT_TOO_LARGE', `${what} larger than ${limit} bytes.`);
}
