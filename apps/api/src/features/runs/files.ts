import { Readable } from 'node:stream';
import { FILE_CHUNK_BYTES, findRunFile, readFileChunk, type StoredFile } from '@millrace/db/run-files';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { create } from 'content-disposition';
import type { FastifyReply } from 'fastify';
import type { OrgContext } from '../../context.ts';

/**
 * A file of a run, piece by piece: what is in memory does not depend on its size or on how slowly it is read. It came from a
 * stranger, so a browser is told to keep it and to run nothing of it. Throws 404 unless the run belongs to this workflow of
 * this organization and has this file.
 */
export async function sendFile(
  context: OrgContext,
  params: { workflowId: string; runId: string; fileId: string },
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await withOrg(context.deps.db, context.orgId, (tx) => findRunFile(tx, params));
  if (file === null) throw new AppError('NOT_FOUND');
  reply.headers({
    'content-type': harmlessType(file.contentType),
    'content-length': file.sizeBytes,
    'content-disposition': create(file.name),
    'content-security-policy': "sandbox;default-src 'none';frame-ancestors 'none'",
  });
  return reply.send(Readable.from(chunksOf(context, file), { objectMode: false }));
}

async function* chunksOf({ deps, orgId }: OrgContext, file: StoredFile): AsyncGenerator<Buffer> {
  for (let number = 0; number * FILE_CHUNK_BYTES < file.sizeBytes; number += 1)
    yield await readFileChunk(deps.db, orgId, file, number);
}

/** Types that no program of ours or of a browser's runs; of these the parameters, such as the charset, go. */
const HARMLESS_TYPES = new Set([
  'application/json',
  'application/pdf',
  'application/zip',
  'audio/mpeg',
  'image/gif',
  'image/jpeg',
  'image/png',
  'image/webp',
  'text/csv',
  'text/plain',
  'video/mp4',
]);

function harmlessType(contentType: string): string {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  return HARMLESS_TYPES.has(type) ? type : 'application/octet-stream';
}
