import type { FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';

/**
 * Validates by the contract's zod schemas. Fastify hands over null for a body that was not sent; the schemas say
 * `optional`, so it becomes undefined again. A JSON null never gets here: the body parser refuses it.
 */
export const compileValidator: FastifySchemaCompiler<z.ZodType> = (route) => {
  const validate = validatorCompiler(route);
  return route.httpPart === 'body' ? (data) => validate(data ?? undefined) : validate;
};
