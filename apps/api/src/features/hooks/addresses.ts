import { Done } from '@millrace/shared/contracts/contract';
import { Id } from '@millrace/shared/ids';
import type { WaitingStep } from '@millrace/shared/resume-urls';
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Deps } from '../../deps.ts';
import { MAX_BODY_BYTES } from '../../http/body-limit.ts';
import { envelopeStatuses } from '../../http/errors.ts';
import { openContext } from '../../http/route.ts';
import type { HookRequest } from './input.ts';
import { type OpenHook, openHook, receiveHook } from './receive.ts';
import { sendAnswer } from './reply.ts';
import { openResume, receiveResume } from './resume.ts';

declare module 'fastify' {
  interface FastifyRequest {
    hook?: OpenHook;
    waitingStep?: WaitingStep;
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const refusals = {
  ...envelopeStatuses(['BAD_REQUEST', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'CONFLICT', 'PAYLOAD_TOO_LARGE']),
  ...envelopeStatuses(['UNSUPPORTED_MEDIA_TYPE', 'RATE_LIMITED', 'DATABASE_UNAVAILABLE']),
};

const hookSchema = {
  operationId: 'receiveHook',
  summary: 'Start a run of the workflow with this address; 202 only when the request is stored',
  description:
    'Takes a body of any type, at most 1 MiB, with the signature that the workflow asks for; also by GET, PUT, PATCH and DELETE where the workflow names them. The token is the credential. A workflow with `reply: "result"` answers itself, with any status and body; 202 when that takes too long.',
  tags: ['Runs'],
  params: z.strictObject({ token: z.string() }),
  response: {
    202: z.object({ deliveryId: Id }),
    200: z.object({ challenge: z.string() }).meta({ description: 'The word that Slack asks a new address to repeat.' }),
    ...refusals,
    ...envelopeStatuses(['UNAUTHORIZED', 'RUN_FAILED']),
  },
};

const resumeSchema = {
  operationId: 'resumeStep',
  summary: 'Call a step that waits for it; 202 only when the call is stored',
  description:
    'Takes one call with a body of any type, at most 1 MiB; by POST, or by the methods that the step names. The token is the credential.',
  tags: ['Runs'],
  params: z.strictObject({ token: z.string(), stepKey: z.string() }),
  response: { 202: Done, ...refusals, ...envelopeStatuses(['RESUME_EXPIRED']) },
};

/**
 * The routes without a contract: strangers decide on method and content type, and a signature is over the bytes as they
 * came. So nothing is parsed here before the use case asks for it, and the parser for that is of these routes alone.
 */
export async function serveHookAddresses(app: FastifyInstance, deps: Deps): Promise<void> {
  // Before the server waits for its requests to end: these would not.
  app.addHook('preClose', () => deps.hookAnswers.close());
  await app.register(async (scope) => {
    const parser = scope.getDefaultJsonParser('error', 'error');
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const method of METHODS) {
      serveHookAddress(scope, deps, parser, method);
      serveResumeAddress(scope, deps, parser, method);
    }
  });
}

type Parser = FastifyBodyParser<string>;
type Method = (typeof METHODS)[number];

function serveHookAddress(scope: FastifyInstance, deps: Deps, parser: Parser, method: Method): void {
  scope.route({
    ...{ method, url: '/v1/hooks/:token', exposeHeadRoute: false, bodyLimit: MAX_BODY_BYTES },
    schema: { ...hookSchema, hide: method !== 'POST' } as object,
    onRequest: async (request, reply) => {
      const { token } = request.params as { token: string };
      request.hook = await openHook(openContext(deps, request), token, reply);
    },
    handler: async (request, reply) => {
      const hangUp = new AbortController();
      reply.raw.once('close', () => hangUp.abort());
      const hook = request.hook as OpenHook;
      const received = await receiveHook(openContext(deps, request), hook, readRequest(request, parser), hangUp.signal);
      if (!('deliveryId' in received)) return reply.code(200).send(received);
      const { deliveryId, answer } = received;
      return answer === null ? reply.code(202).send({ deliveryId }) : sendAnswer(request, reply, answer, deliveryId);
    },
  });
}

function serveResumeAddress(scope: FastifyInstance, deps: Deps, parser: Parser, method: Method): void {
  scope.route({
    ...{ method, url: '/v1/hooks/resume/:token/:stepKey', exposeHeadRoute: false, bodyLimit: MAX_BODY_BYTES },
    schema: { ...resumeSchema, hide: method !== 'POST' } as object,
    onRequest: async (request, reply) => {
      const params = request.params as { token: string; stepKey: string };
      request.waitingStep = await openResume(openContext(deps, request), params, reply);
    },
    handler: async (request, reply) => {
      const step = request.waitingStep as WaitingStep;
      return reply.code(202).send(await receiveResume(openContext(deps, request), step, readRequest(request, parser)));
    },
  });
}

function readRequest(request: FastifyRequest, parser: FastifyBodyParser<string>): HookRequest {
  const { method, url, headers, body } = request;
  const parse = (text: string) => parseJson(parser, request, text);
  return { method, url, headers, body: Buffer.isBuffer(body) ? body : Buffer.alloc(0), parseJson: parse };
}

/** As every other route parses JSON: nothing in it reaches for a prototype. */
function parseJson(parser: FastifyBodyParser<string>, request: FastifyRequest, text: string): unknown {
  let parsed: unknown;
  // It calls back before it returns.
  void parser(request, text, (error: Error | null, value?: unknown) => {
    if (error) throw error;
    parsed = value;
  });
  return parsed;
}
