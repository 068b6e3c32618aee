import type { RunAnswer } from '@millrace/db/run-answers';
import { ERROR_CATALOG } from '@millrace/shared/errors';
import { ANSWER_HEADERS } from '@millrace/workflow/steps/respond';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * An answer is what a tenant wrote, under the address where people are signed in: a browser may neither run it nor count it
 * to that address.
 */
const SANDBOX = "default-src 'none';frame-ancestors 'none';sandbox";
/** These have no body by themselves, RFC 9110. */
const WITHOUT_BODY = [204, 205, 304];

/** Sends what a run answered: its `respond`, or without one its output, or that it failed. `deliveryId` goes along as a header. */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: RunAnswer,
  deliveryId: string,
): FastifyReply {
  reply.header('x-delivery-id', deliveryId).header('content-security-policy', SANDBOX);
  if (answer.type === 'respond')
    return sendBody(setAnswerHeaders(reply.code(answer.status), answer.headers), answer.body);
  if (answer.status === 'succeeded') return sendBody(reply.code(200), answer.output);
  // Why is told to the members of the organization: whoever sends a request is a stranger.
  const { status, message } = ERROR_CATALOG.RUN_FAILED;
  return sendBody(reply.code(status), { code: 'RUN_FAILED', message, requestId: request.id });
}

function setAnswerHeaders(reply: FastifyReply, headers: Record<string, string>): FastifyReply {
  // Publishing refuses all others; what an older version let through stays here.
  for (const [name, value] of Object.entries(headers)) if (ANSWER_HEADERS.includes(name)) reply.header(name, value);
  return reply;
}

/** Text as it is, anything else as JSON: already text when the framework gets it, so that no schema is asked. */
function sendBody(reply: FastifyReply, body: unknown): FastifyReply {
  if (WITHOUT_BODY.includes(reply.statusCode)) return reply.removeHeader('content-type').send();
  const isText = typeof body === 'string';
  if (!reply.hasHeader('content-type'))
    reply.type(isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8');
  return reply.send(isText ? body : JSON.stringify(body ?? null));
}
