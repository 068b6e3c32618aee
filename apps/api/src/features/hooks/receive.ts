import { queueIsFull } from '@millrace/db/admission';
import { makeHookRun, storeDelivery } from '@millrace/db/hooks';
import { findWorkflowByHook } from '@millrace/db/lookups';
import { readQueueState } from '@millrace/db/queue-limits';
import type { RunAnswer } from '@millrace/db/run-answers';
import { workflowHooks } from '@millrace/db/schema/hooks';
import { workflows, workflowVersions } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { dependencyFailed, hookRefused, queueUnavailable, workflowRunEnqueued } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import type { WebhookTrigger } from '@millrace/workflow/triggers/webhook';
import { and, eq, sql } from 'drizzle-orm';
import type { FastifyReply } from 'fastify';
import type { PublicContext } from '../../context.ts';
import { spendRequest } from '../../http/rate-limits.ts';
import { prepareVersion } from '../runs/prepared-version.ts';
import { hashOfToken } from './address.ts';
import { hashDeliveryName } from './delivery-name.ts';
import { type HookInput, type HookRequest, readHookInput } from './input.ts';
import { openHookSecret } from './secret.ts';
import { headerOf, refuseSignature } from './signatures.ts';

/** A webhook that takes requests now, as its published version has it. */
export interface OpenHook {
  orgId: string;
  workflowId: string;
  version: number;
  config: NonNullable<WebhookTrigger['config']>;
  secretSealed: Buffer | null;
}

/**
 * Finds the webhook of a token before a byte of the body is read. Throws 404 for an unknown token, 409 for a workflow that
 * takes no requests, 405 for a method it does not take, and 429 beyond its limit; guessing tokens has a limit too.
 */
export async function openHook(context: PublicContext, token: string, reply: FastifyReply): Promise<OpenHook> {
  const { deps, method } = context;
  const hash = hashOfToken(token);
  const found = hash && (await findWorkflowByHook(deps.db, hash));
  if (!hash || !found) {
    await spendRequest(context, 'link', context.client.ipAddress, reply);
    throw new AppError('NOT_FOUND');
  }
  await spendRequest(context, 'hook', hash.toString('hex'), reply);
  const hook = await withOrg(deps.db, found.orgId, (tx) => readHook(tx, found.workflowId));
  const methods: string[] = hook.config.methods ?? ['POST'];
  if (methods.includes(method)) return hook;
  reply.header('allow', methods.join(', '));
  throw new AppError('METHOD_NOT_ALLOWED');
}

type Received = { deliveryId: string; answer: RunAnswer | null } | { challenge: string };

/**
 * Accepts a request once its signature holds: it is stored before anybody hears so, then made into a run. What cannot be
 * made now is made by a sweeper, so neither Redis nor the end of this process loses it. A request that was accepted before
 * under the same name gets the same answer and no second run. 429 while the organization has as many queued runs as it may;
 * what was accepted just before waits until there is room. Where the workflow answers itself, `answer` is what its run
 * said; null when that takes too long, or `signal` says that the sender has hung up.
 */
export async function receiveHook(
  context: PublicContext,
  hook: OpenHook,
  request: HookRequest,
  signal: AbortSignal,
): Promise<Received> {
  const { deps } = context;
  const { signature } = hook.config;
  if (signature) assertSigned(context, hook, request);
  const input = readHookInput(request, signature ? headerOf(signature) : '');
  const challenge = signature?.scheme === 'slack' ? challengeIn(input) : undefined;
  if (challenge !== undefined) return { challenge };
  const { orgId, workflowId, version } = hook;
  if ((await readQueueState(deps.db, orgId)).isFull) throw queueIsFull();
  const dedupeHash = hashDeliveryName(signature?.scheme, request.headers, input.body);
  const delivery = { id: newId(), runId: newId(), workflowId, version, dedupeHash, input };
  const stored = await withOrg(deps.db, orgId, async (tx) => {
    const { maxAttempts } = await prepareVersion(tx, workflowId, version, deps.config);
    return storeDelivery(tx, { ...delivery, maxAttempts });
  });
  failPoint('hook.stored-before-run');
  const { isNew, runId } = stored;
  // Before the run begins: it may answer at once.
  const waiting =
    hook.config.reply === 'result' ? deps.hookAnswers.wait({ orgId, runId }, { signal, isKnown: !isNew }) : null;
  if (isNew) await startRunOf(context, orgId, stored.id);
  return { deliveryId: stored.id, answer: await waiting };
}

/** A request that proves nothing tells its sender nothing; the log says what was wrong. */
function assertSigned(context: PublicContext, hook: OpenHook, request: HookRequest): void {
  const { deps, requestId, log } = context;
  const { orgId, workflowId, secretSealed, config } = hook;
  if (!config.signature) return;
  const secret = openHookSecret(deps.config.AUTH_TOKEN_SECRET, hook, secretSealed);
  const reasonCode = refuseSignature(config.signature, secret, request, Math.floor(Date.now() / 1000));
  if (reasonCode === undefined) return;
  hookRefused(log, { requestId, orgId, workflowId, reasonCode });
  throw new AppError('UNAUTHORIZED', 'The signature of this request is missing, wrong or too old.');
}

/** Slack asks a new address to repeat a word before it sends anything. */
function challengeIn({ body }: HookInput): string | undefined {
  const { type, challenge } = (body ?? {}) as { type?: unknown; challenge?: unknown };
  return type === 'url_verification' && typeof challenge === 'string' ? challenge : undefined;
}

/** Never throws: the delivery is accepted, and whatever fails here the sweeper does again. */
async function startRunOf(context: PublicContext, orgId: string, deliveryId: string): Promise<void> {
  const { deps, log, requestId, traceparent } = context;
  const made = await makeHookRun(deps.db, orgId, deliveryId).catch((error: unknown) => {
    dependencyFailed(log, { dependency: 'postgresql', error: messageOf(error) });
    return null;
  });
  if (!made) return;
  failPoint('hook.run-made-before-wake');
  const { isHeld, ...run } = made;
  const told = { requestId, userId: null, ...run };
  if (isHeld) return workflowRunEnqueued(log, told);
  await deps.queue.wakeRun({ orgId, runId: run.runId, traceparent }).catch((error: unknown) => {
    queueUnavailable(log, { ...told, error: messageOf(error) });
  });
  workflowRunEnqueued(log, told);
}

async function readHook(tx: OrgTx, workflowId: string): Promise<OpenHook> {
  const [row] = await tx
    .select({
      version: workflows.version,
      isEnabled: workflows.isEnabled,
      secretSealed: workflowHooks.secretSealed,
      // Not the document: it may be a megabyte.
      trigger: sql<WorkflowDefinition['trigger'] | null>`${workflowVersions.definition} -> 'trigger'`,
    })
    .from(workflows)
    .innerJoin(workflowHooks, and(eq(workflowHooks.orgId, workflows.orgId), eq(workflowHooks.workflowId, workflows.id)))
    .leftJoin(
      workflowVersions,
      and(
        eq(workflowVersions.orgId, workflows.orgId),
        eq(workflowVersions.workflowId, workflows.id),
        eq(workflowVersions.version, workflows.version),
      ),
    )
    .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId)));
  if (!row) throw new AppError('NOT_FOUND');
  const { version, isEnabled, secretSealed, trigger } = row;
  if (trigger?.type !== 'trigger.webhook')
    throw new AppError('CONFLICT', 'No published version of this workflow takes webhooks now.');
  if (!isEnabled) throw new AppError('CONFLICT', 'This workflow is disabled.');
  return { orgId: tx.orgId, workflowId, version, config: trigger.config ?? {}, secretSealed };
}
