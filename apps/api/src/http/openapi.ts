import swagger from '@fastify/swagger';
import type { Contract } from '@millrace/shared/contracts/contract';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

/** OpenAPI 3.1 from the very schemas that validate, at `/v1/openapi.json`. */
export async function serveOpenApi(app: FastifyInstance): Promise<void> {
  const contracts = new Map<string, Contract>();
  app.addHook('onRoute', ({ config }) => {
    const contract = (config as { contract?: Contract } | undefined)?.contract;
    if (contract) contracts.set(contract.id, contract);
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version: '1',
        description: 'Multi-tenant workflow automation. Paths under /v1/orgs/{orgId} need the X-Org-Id header.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An access token, or an API key (mr_...).' },
        },
      },
    },
    transform: describeRoute,
    transformObject: (input) => completeOperations(contracts, jsonSchemaTransformObject(input)),
  });
}

export function serveOpenApiDocument(app: FastifyInstance): void {
  app.get('/v1/openapi.json', { schema: { hide: true } as object }, async () => app.swagger());
}

/**
 * What schemas do not say by themselves and clients made from the document need to know: the headers of a route, and that
 * a route without a body takes none.
 */
const describeRoute: typeof jsonSchemaTransform = (input) => {
  const contract = (input.route.config as { contract?: Contract } | undefined)?.contract;
  const { schema, url } = jsonSchemaTransform(input);
  const { body, ...rest } = schema as Record<string, unknown>;
  const description = contract && describeAccess(contract);
  const headers = contract && headersOf(contract);
  const told = { ...(description && { description }), ...(headers && { headers }) };
  return { url, schema: { ...rest, ...(contract?.body && { body }), ...told } };
};

/** What whoever makes an API key needs to know of an operation. */
function describeAccess({ auth, permission }: Contract): string {
  const sentences = [
    permission && `Needs the permission ${permission}.`,
    auth === 'session' && "Takes a person's access token; an API key is answered 403.",
  ];
  return sentences.filter(Boolean).join(' ');
}

function headersOf({ permission, isIdempotent, isStream }: Contract) {
  const properties = {
    ...(permission && { 'X-Org-Id': { type: 'string', format: 'uuid', description: 'Equal to orgId.' } }),
    ...(isIdempotent && {
      'Idempotency-Key': { type: 'string', maxLength: 255, description: 'The same key within 24 h: the same answer.' },
    }),
    ...(isStream && {
      'Last-Event-ID': { type: 'string', description: 'The id of an event: the answer begins behind it.' },
    }),
  };
  if (Object.keys(properties).length === 0) return undefined;
  return { type: 'object', properties, required: permission ? ['X-Org-Id'] : [] };
}

type Described = ReturnType<typeof jsonSchemaTransformObject>;

/** The generator calls every body required, and knows no answer that is not JSON. */
function completeOperations(contracts: ReadonlyMap<string, Contract>, described: Described): Described {
  const { paths = {} } = described as { paths?: Record<string, Record<string, PrintedOperation>> };
  for (const operation of Object.values(paths).flatMap((operations) => Object.values(operations))) {
    const contract = contracts.get(operation.operationId);
    if (operation.requestBody && contract?.body?.safeParse(undefined).success) operation.requestBody.required = false;
    if (contract?.redirects) operation.responses[302] = REDIRECT;
    if (contract?.isStream) describeStream(operation.responses[contract.status]);
    if (contract?.isFile) describeFile(operation.responses[contract.status]);
  }
  return described;
}

/** The schema is that of the data of one event. */
function describeStream(answer: PrintedAnswer | undefined): void {
  const { 'application/json': one } = answer?.content ?? {};
  if (answer && one) answer.content = { 'text/event-stream': one };
}

/** Bytes, under their own type when that is harmless. */
function describeFile(answer: PrintedAnswer | undefined): void {
  if (answer) answer.content = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
}

const REDIRECT = {
  description: 'Sends a browser on; the body is empty.',
  headers: { Location: { required: true, schema: { type: 'string', format: 'uri' } } },
};

interface PrintedOperation {
  operationId: string;
  requestBody?: { required: boolean };
  responses: Record<number, PrintedAnswer>;
}

interface PrintedAnswer {
  description: string;
  content?: Record<string, object>;
}
