import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { Id } from '../ids.ts';
import type { Permission } from '../permissions.ts';

/**
 * How often one address may call: `sign-in` covers sign-up and login together, `link` the routes that take a secret from
 * a stranger (a mailed link, an invitation, a provider's answer). Each class is one budget for all its routes.
 */
export type RateLimitClass = 'sign-in' | 'link';

/** How often one user may call, from whatever addresses. */
export type UserRateLimitClass = 'password-change' | 'slug-check';

/**
 * One endpoint as data. The API serves it, OpenAPI is printed from it, clients and tests call it: nothing about an
 * endpoint is written twice.
 */
export interface Contract {
  /** Unique verb + noun; the OpenAPI operation id. */
  id: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: `/${string}`;
  summary: string;
  tag: 'Auth' | 'Me' | 'Organizations' | 'API keys' | 'Workflows' | 'Runs';
  /**
   * How a caller proves who they are. `bearer` takes a person's access token or an API key, `session` only the former.
   * `cookie` routes are the only ones that read the refresh cookie.
   */
  auth: 'public' | 'bearer' | 'session' | 'cookie' | 'bearer-or-cookie';
  /** What the caller's role in the organization of the path must hold: set on every path under /v1/orgs/:orgId. */
  permission?: Permission;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  status: 200 | 201;
  response: z.ZodType;
  /** Answers 302 without a body to a browser; `response` is for clients that ask for JSON. */
  redirects?: true;
  /** Answers Server-Sent Events, which go on after the request is answered; `response` is what one of them holds. */
  isStream?: true;
  /** Answers the bytes of a file of any type, not JSON; `response` says nothing about them. */
  isFile?: true;
  /** Codes beyond those every route of its kind can answer. */
  errors?: readonly ErrorCode[];
  /** Set on every route that strangers may try secrets on; answers 429 beyond the class's limit. */
  rateLimit?: RateLimitClass;
  /** Set where even somebody signed in costs others something; needs `auth: 'session'`. Answers 429 beyond it. */
  userRateLimit?: UserRateLimitClass;
  /** Answers a repeated `Idempotency-Key` with the first answer. */
  isIdempotent?: true;
}

/** Keeps the literal types of a contract, so that a handler's input and output are inferred from its schemas. */
export function defineContract<const C extends Contract>(contract: C): C {
  return contract;
}

type Parsed<S> = S extends z.ZodType ? z.infer<S> : undefined;
export type ContractParams<C extends Contract> = Parsed<C['params']>;
export type ContractQuery<C extends Contract> = Parsed<C['query']>;
export type ContractBody<C extends Contract> = Parsed<C['body']>;
/** What a handler returns: the response before the schema has stripped and checked it. */
export type ContractResponse<C extends Contract> = z.input<C['response']>;

export const OrgParams = z.strictObject({ orgId: Id });
/** PostgreSQL counts from the year 1 and refuses the year 0, which ISO 8601 has. */
export const Time = z.iso.datetime().refine((value) => !value.startsWith('0000'), 'must be of the year 1 or later');
export const Done = z.object({ ok: z.literal(true) });

/** How many: it arrives as text in a query; only plain whole numbers count. */
export const Limit = z
  .string()
  .regex(/^\d{1,3}$/, 'must be a whole number from 1 to 100')
  .transform(Number)
  .pipe(z.number().min(1).max(100))
  .optional();
export const PageQuery = z.strictObject({ limit: Limit, cursor: z.string().min(1).max(400).optional() });
export const DEFAULT_PAGE_SIZE = 50;
export const NextCursor = z.string().nullable();

/** Text a person typed: trimmed, not empty, free of control characters (PostgreSQL refuses NUL). */
export function personText(maxLength: number) {
  return z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maxLength, `must be at most ${maxLength} characters`)
    .refine((value) => !hasForbiddenCharacter(value), 'must not hold control characters or broken Unicode');
}

function hasForbiddenCharacter(value: string): boolean {
  // A lone surrogate cannot be stored as UTF-8; control characters corrupt logs and terminals.
  return (
    !value.isWellFormed() || [...value].some((char) => (char.codePointAt(0) as number) < 0x20 || char === '\u007f')
  );
}
