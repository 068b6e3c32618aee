import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isDatabaseTransient } from '@millrace/db/failures';
import { findAnswer, finishAnswer, reserveAnswer } from '@millrace/db/idempotency';
import type { OrgTx } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IdempotencyRequest, OrgContext } from '../context.ts';
import { badHeader } from './errors.ts';

const POLL_MS = 25;
/** Longer than any create takes (the queue alone fails within 500 ms): an older unfinished answer means its API died. */
const PENDING_MS = 5_000;

/** Thrown by a create that stored nothing: another request with the same key stored its answer first. */
export class AnswerTaken extends Error {}

/** The key and what it stands for, or nothing when the caller sent none. Throws 400 for a key that is not usable. */
export function readIdempotencyKey(request: FastifyRequest): IdempotencyRequest | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw badHeader('Idempotency-Key', 'must be 1 to 255 visible ASCII characters without spaces');
  const scope = `${request.method} ${request.url.split('?')[0]}`;
  const requestHash = createHash('sha256')
    .update(JSON.stringify(request.body ?? null))
    .digest();
  return { key, scope, requestHash };
}

/** Called by a use case in the transaction that stores its row; does nothing when the caller sent no key. */
export async function keepAnswer(context: OrgContext, tx: OrgTx, response: unknown): Promise<void> {
  if (!context.idempotency) return;
  if (!(await reserveAnswer(tx, context.idempotency, response))) throw new AnswerTaken();
}

/**
 * Runs `create` at most once per key. The use case keeps its answer in the transaction that stores its row (see
 * `keepAnswer`), so a crash never leaves one without the other; a parallel request with the same key waits for the
 * first to end. A create that takes its row back also forgets the key.
 */
export async function answerIdempotently(
  context: OrgContext & { idempotency: IdempotencyRequest },
  reply: FastifyReply,
  create: () => Promise<unknown>,
): Promise<unknown> {
  const { deps, orgId, idempotency } = context;
  for (const deadline = Date.now() + PENDING_MS; ; await pause(POLL_MS)) {
    const answer = await findAnswer(deps.db, orgId, idempotency.key);
    if (answer) {
      const isSame = answer.scope === idempotency.scope && answer.requestHash.equals(idempotency.requestHash);
      if (!isSame) throw new AppError('CONFLICT', 'This Idempotency-Key was already used for another request.');
      if (answer.isPending && !(await isAccepted(context, deadline, reply.statusCode))) continue;
      reply.header('idempotency-replayed', 'true');
      return answer.response;
    }
    try {
      const created = await create();
      // What is done is done: without this the next request with the key waits a while, and gets the same answer.
      await finishAnswer(deps.db, orgId, idempotency.key, reply.statusCode).catch(unlessTransient);
      return created;
    } catch (error) {
      if (!(error instanceof AnswerTaken)) throw error;
    }
  }
}

function unlessTransient(error: unknown): void {
  if (!isDatabaseTransient(error)) throw error;
}

/**
 * Whether an answer that is still pending may be given. Its first request is at work, unless it died: after a while the
 * answer is made final, which exactly one of this and the taking back of its work can do.
 */
async function isAccepted(context: OrgContext & { idempotency: IdempotencyRequest }, deadline: number, status: number) {
  if (Date.now() < deadline) return false;
  return finishAnswer(context.deps.db, context.orgId, context.idempotency.key, status);
}
