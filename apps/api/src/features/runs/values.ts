import { readRunValue } from '@millrace/db/run-values';
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
 * such. Throws 404 unless the run belongs to this workflow of this organization and has this step.
 */
export async function sendValue(
  { deps, orgId }: OrgContext,
  { workflowId, runId, stepId }: ValueParams,
  field: 'input' | 'output',
  reply: FastifyReply,
): Promise<FastifyReply> {
  const address = { workflowId, runId, stepKey: stepId ?? null, field };
  const text = await withOrg(deps.db, orgId, (tx) => readRunValue(tx, address));
  if (text === null) throw new AppError('NOT_FOUND');
  const answer = Buffer.concat([Buffer.from('{"value":'), text, Buffer.from('}')]);
  return reply.type('application/json; charset=utf-8').send(answer);
}
