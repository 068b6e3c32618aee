import { z } from 'zod';
import type { StepKind } from './kind.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Calls a URL. The HTTP connector executes it and answers `{ status, headers, body }`. */
export const httpRequest: StepKind = {
  type: 'http.request',
  config: z.strictObject({
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']),
    url: z.string().min(1),
    headers: z.record(z.string(), Scalar).optional(),
    query: z.record(z.string(), z.union([Scalar, z.array(Scalar)])).optional(),
    body: z.unknown().optional(),
    responseType: z.enum(['auto', 'json', 'text', 'file']).optional(),
  }),
  literalKeys: ['method', 'responseType'],
  branches: [],
  isOutput: true,
  idempotency: ({ method }) => (method === 'POST' || method === 'PATCH' ? 'key' : 'natural'),
};
