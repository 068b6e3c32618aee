import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { findRunValue, type RunValueAddress, readSlices } from '@millrace/db/run-values';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import type { FastifyReply } from 'fastify';
import type { OrgContext } from '../../context.ts';

interface ValueParams {
  workflowId: string;
  runId: string;
  stepId?: string;
}

/**
 * The whole input or output of a run or of one of its steps, however large. It was JSON text when it was stored and leaves as
 * such, a large one piece by piece: what is in memory does not depend on its size or on how slowly it is read. Throws 404
 * unless the run belongs to this workflow of this organization and has this step.
 */
export async function sendValue(
  context: OrgContext,
  { workflowId, runId, stepId }: ValueParams,
  field: 'input' | 'output',
  reply: FastifyReply,
): Promise<FastifyReply> {
  const address = { workflowId, runId, stepKey: stepId ?? null, field };
  const found = await withOrg(context.deps.db, context.orgId, (tx) => findRunValue(tx, address));
  if (found === null) throw new AppError('NOT_FOUND');
  reply.type('application/json; charset=utf-8');
  if ('text' in found) return reply.send(`{"value":${found.text}}`);
  return reply.send(Readable.from(answerOf(context, address, found.storedBytes)));
}

async function* answerOf({ deps, orgId }: OrgContext, address: RunValueAddress, storedBytes: number) {
  const slices = Readable.from(readSlices(deps.db, orgId, address, storedBytes));
  yield '{"value":';
  // What goes wrong on the way destroys the last stream, and with it the answer, which then has no end.
  yield* pipeline(slices, createZstdDecompress(), () => {});
  yield '}';
}
