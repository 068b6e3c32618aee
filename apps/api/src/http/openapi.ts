import swagger from '@fastify/swagger';
import type { Contract } from '@millrace/shared/contracts/contract';
import reference from '@scalar/fastify-api-reference';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

/** OpenAPI 3.1 from the very schemas that validate, at `/v1/openapi.json`, and a readable reference at `/docs`. */
export async function serveOpenApi(app: FastifyInstance): Promise<void> {
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
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(reference, {
    routePrefix: '/docs',
    configuration: {
      url: '/v1/openapi.json',
      withDefaultFonts: false,
      telemetry: false,
      // A self-hosted page offers nobody else's services.
      showDeveloperTools: 'never',
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
    },
    hooks: {
      onRequest: (_request, reply, done) => {
        // The reference page is one bundle with an inline start script; it shows public text only and no user content.
        reply.header(
          'content-security-policy',
          "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
        );
        done();
      },
    },
  });
}

export function serveOpenApiDocument(app: FastifyInstance): void {
  app.get('/v1/openapi.json', { schema: { hide: true } as object }, async () => app.swagger());
}

/** Headers are no part of a contract's schemas; clients made from the document need to know them all the same. */
const describeRoute: typeof jsonSchemaTransform = (input) => {
  const described = jsonSchemaTransform(input);
  const contract = (input.route.config as { contract?: Contract } | undefined)?.contract;
  const description = contract && describeAccess(contract);
  const headers = {
    ...(contract?.permission && { 'X-Org-Id': { type: 'string', format: 'uuid', description: 'Equal to orgId.' } }),
    ...(contract?.isIdempotent && {
      'Idempotency-Key': { type: 'string', maxLength: 255, description: 'The same key within 24 h: the same answer.' },
    }),
  };
  const schema = { ...described.schema, ...(description && { description }) };
  if (Object.keys(headers).length === 0) return { ...described, schema };
  const required = contract?.permission ? ['X-Org-Id'] : [];
  return { ...described, schema: { ...schema, headers: { type: 'object', properties: headers, required } } };
};

/** What whoever makes an API key needs to know of an operation. */
function describeAccess({ auth, permission }: Contract): string {
  const sentences = [
    permission && `Needs the permission ${permission}.`,
    auth === 'session' && "Takes a person's access token; an API key is answered 403.",
  ];
  return sentences.filter(Boolean).join(' ');
}
