import * as contracts from '@millrace/shared/contracts/hooks';
import { Id } from '@millrace/shared/ids';
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Deps } from '../../deps.ts';
import { MAX_BODY_BYTES } from '../../http/body-limit.ts';
import { envelopeStatuses } from '../../http/errors.ts';
import { openContext, route } from '../../http/route.ts';
import type { HookRequest } from './input.ts';
import { type OpenHook, openHook, receiveHook } from './receive.ts';
import { sendAnswer } from './reply.ts';
import { deleteHookSecret, putHookSecret, rotateHook } from './service.ts';

export function serveHooks(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.putHookSecret, (context, { params, body }) =>
    putHookSecret(context, params.workflowId, body.secret),
  );
  route(app, deps, contracts.deleteHookSecret, (context, { params }) => deleteHookSecret(context, params.workflowId));
  route(app, deps, contracts.rotateHook, (context, { params }) => rotateHook(context, params.workflowId));
}

declare module 'fastify' {
  interface FastifyRequest {
    hook?: OpenHook;
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const schema = {
  operationId: 'receiveHook',
  summary: 'Start a run of the workflow with this address; 202 only when the request is stored',
  description:
    'Takes a body of any type, at most 1 MiB, with the signature that the workflow asks for; also by GET, PUT, PATCH and DELETE where the workflow names them. The token is the credential. A workflow with `reply: "result"` answers itself, with any status and body; 202 when that takes too long.',
  tags: ['Runs'],
  params: z.strictObject({ token: z.string() }),
  response: {
    202: z.object({ deliveryId: Id }),
    200: z.object({ challenge: z.string() }).meta({ description: 'The word that Slack asks a new address to repeat.' }),
    ...envelopeStatuses(['BAD_REQUEST', 'UNAUTHORIZED', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'CONFLICT']),
    ...envelopeStatuses(['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'RATE_LIMITED']),
    ...envelopeStatuses(['RUN_FAILED', 'DATABASE_UNAVAILABLE']),
  },
};

/**
 * The one route without a contract: strangers decide on its method and content type, and a signature is over the bytes as
 * they came. So nothing is parsed here before the use case asks for it, and the parser for that is this route's alone.
 */
export async function serveHookAddresses(app: FastifyInstance, deps: Deps): Promise<void> {
  // Before the server waits for its requests to end: these would not.
  app.addHook('preClose', () => deps.hookAnswers.close());
  await app.register(async (scope) => {
    const parser = scope.getDefaultJsonParser('error', 'error');
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const method of METHODS) {
      scope.route({
        method,
        url: '/v1/hooks/:token',
        exposeHeadRoute: false,
        bodyLimit: MAX_BODY_BYTES,
        schema: { ...schema, hide: method !== 'POST' } as object,
        onRequest: async (request, reply) => {
          const { token } = request.params as { token: string };
          request.hook = await openHook(openContext(deps, request), token, reply);
        },
        handler: async (request, reply) => {
          const hangUp = new AbortController();
          reply.raw.once('close', () => hangUp.abort());
          const context = openContext(deps, request);
          const hook = request.hook as OpenHook;
          const received = await receiveHook(context, hook, readRequest(request, parser), hangUp.signal);
          if (!('deliveryId' in received)) return reply.code(200).send(received);
          const { deliveryId, answer } = received;
          return answer === null
            ? reply.code(202).send({ deliveryId })
            : sendAnswer(request, reply, answer, deliveryId);
        },
      });
    }
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
