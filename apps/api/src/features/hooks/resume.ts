import { createHash } from 'node:crypto';
import { callStep, findAwaitedStep } from '@millrace/db/run-calls';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { readResumeToken, resumeKeyOf, type WaitingStep } from '@millrace/shared/resume-urls';
import { nodeIdOf } from '@millrace/workflow/step-keys';
import type { FastifyReply } from 'fastify';
import type { PublicContext } from '../../context.ts';
import { spendRequest } from '../../http/rate-limits.ts';
import { wakeForSignal } from '../runs/wake.ts';
import { type HookRequest, readHookInput } from './input.ts';

/**
 * Finds the step of an address before a byte of the body is read. Throws 404 for one that this installation did not give out,
 * 405 for a method the step does not take, and 429 beyond the limits of webhooks.
 */
export async function openResume(
  context: PublicContext,
  { token, stepKey }: { token: string; stepKey: string },
  reply: FastifyReply,
): Promise<WaitingStep> {
  const { deps, method } = context;
  const key = resumeKeyOf(deps.config);
  const step = key && readResumeToken(key, token, stepKey);
  if (!step) {
    await spendRequest(context, 'link', context.client.ipAddress, reply);
    throw new AppError('NOT_FOUND');
  }
  await spendRequest(context, 'hook', createHash('sha256').update(token).digest('hex'), reply);
  const { orgId, runId } = step;
  const config = await withOrg(deps.db, orgId, (tx) => findAwaitedStep(tx, { runId, stepId: nodeIdOf(stepKey) }));
  if (config === null) throw new AppError('NOT_FOUND'); // the run was deleted since
  const { methods = ['POST'] } = config;
  if (methods.includes(method)) return step;
  reply.header('allow', methods.join(', '));
  throw new AppError('METHOD_NOT_ALLOWED');
}

/**
 * Accepts the call that a step waits for, or will wait for: it is stored before anybody hears so, and a worker takes it in now,
 * or when Redis is back. Throws 409 for a second call and 410 once nobody waits any more.
 */
export async function receiveResume(context: PublicContext, step: WaitingStep, request: HookRequest) {
  const { deps, traceparent } = context;
  const { orgId, runId, stepKey } = step;
  const input = readHookInput(request, '');
  const outcome = await withOrg(deps.db, orgId, (tx) => callStep(tx, { runId, stepKey, input }));
  switch (outcome) {
    case 'accepted':
      failPoint('run.resumed-before-wake');
      await wakeForSignal(deps, { orgId, runId, traceparent });
      return { ok: true as const };
    case 'known':
      throw new AppError('ALREADY_RESUMED');
    case 'over':
      throw new AppError('RESUME_EXPIRED');
    default:
      return outcome satisfies never;
  }
}
