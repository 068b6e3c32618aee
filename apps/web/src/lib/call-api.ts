import type { Contract } from '@millrace/shared/contracts/contract';
import type { z } from 'zod';
import { ApiError } from './api-error.ts';
import { fetchApi } from './fetch-api.ts';
import type { Route } from './routes.ts';
import { currentToken, renewSession } from './session.ts';

type Given<S, Name extends string> = S extends z.ZodType ? { [K in Name]: z.input<S> } : { [K in Name]?: undefined };
type GivenQuery<C extends Contract> = C['query'] extends z.ZodType
  ? { query?: z.input<C['query']> }
  : { query?: undefined };

/** What a contract asks for, before it is parsed; bodies that may be left out may be left out. */
export type ApiInput<C extends Contract> = Given<C['params'], 'params'> &
  GivenQuery<C> &
  (undefined extends (C['body'] extends z.ZodType ? z.input<C['body']> : undefined)
    ? { body?: C['body'] extends z.ZodType ? z.input<C['body']> : undefined }
    : Given<C['body'], 'body'>) & { idempotencyKey?: string; signal?: AbortSignal };

export type ApiAnswer<C extends Contract> = z.output<C['response']>;

/** Calls the API by its contract, as whoever is signed in; the answer is of the contract's type because the API made it by the same. */
export async function callApi<C extends Contract>(contract: C | Route<C>, input: ApiInput<C>): Promise<ApiAnswer<C>> {
  const response = await openApi(contract, input);
  return (await response.json()) as ApiAnswer<C>;
}

/** As `callApi`, with the answer still unread: for streams. Throws ApiError. */
export async function openApi<C extends Contract>(
  contract: C | Route<C>,
  input: ApiInput<C>,
  headers?: HeadersInit,
): Promise<Response> {
  const send = async () => fetchApi(addressOf(contract, input), await requestOf(contract, input, headers));
  try {
    return await send();
  } catch (error) {
    const isStale = error instanceof ApiError && error.status === 401 && takesToken(contract);
    if (!isStale || (await renewSession()).status !== 'signed-in') throw error;
    return send();
  }
}

async function requestOf<C extends Contract>(
  contract: C | Route<C>,
  input: ApiInput<C>,
  given?: HeadersInit,
): Promise<RequestInit> {
  const headers = new Headers(given);
  const token = takesToken(contract) ? await currentToken() : undefined;
  if (token) headers.set('authorization', `Bearer ${token}`);
  const orgId = (input.params as { orgId?: string } | undefined)?.orgId;
  if (orgId) headers.set('x-org-id', orgId);
  if (input.idempotencyKey) headers.set('idempotency-key', input.idempotencyKey);
  if (input.body !== undefined) headers.set('content-type', 'application/json');
  const body = input.body === undefined ? undefined : JSON.stringify(input.body);
  return { method: contract.method, headers, body, signal: input.signal };
}

/** The path with its parameters and query filled in. */
export function addressOf(
  contract: Pick<Contract, 'path'>,
  { params, query }: { params?: object; query?: object },
): `/v1/${string}` {
  const values = (params ?? {}) as Record<string, string>;
  const path = contract.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return (search ? `${path}?${search}` : path) as `/v1/${string}`;
}

function takesToken({ auth }: Pick<Contract, 'auth'>): boolean {
  return auth === 'bearer' || auth === 'session';
}
