import { finishOAuth, type Session, startOAuth, type User } from '@millrace/shared/contracts/auth';
import type { LightMyRequestResponse } from 'fastify';
import { call, readCookie, type TestApi } from '../../testing.ts';

type Provider = 'google' | 'github';

/** A sign-in under way, as the browser that began it knows it. */
export interface Begun {
  provider: Provider;
  authorizationUrl: string;
  state: string;
  /** As a `Cookie` header sends it. */
  cookie: string;
}

export interface Answer {
  status: number;
  headers: LightMyRequestResponse['headers'];
  /** What success and failure answer, typed as both at once; undefined unless it is JSON. */
  body: { session: Session; user: User; provider: string; linked?: true; code: string; requestId: string };
  text: string;
}

export async function begin(
  api: TestApi,
  provider: Provider,
  { returnTo, cookie }: { returnTo?: string; cookie?: string } = {},
): Promise<Begun> {
  const query = { mode: 'json', ...(returnTo !== undefined && { returnTo }) };
  const answer = await call(api, startOAuth, { params: { provider }, query, headers: { cookie } });
  if (answer.status !== 200) throw new Error(`the start answered ${answer.status}: ${answer.text}`);
  const { authorizationUrl } = answer.body;
  const state = new URL(authorizationUrl).searchParams.get('state') ?? '';
  return { provider, authorizationUrl, state, cookie: readCookie(answer.headers) };
}

/** The browser comes back. A query given as text is sent as it is. */
export async function comeBack(
  api: TestApi,
  provider: Provider,
  query: Record<string, string> | string,
  headers: Record<string, string | undefined> = {},
): Promise<Answer> {
  const path = finishOAuth.path.replace(':provider', provider);
  const search = typeof query === 'string' ? query : new URLSearchParams(query).toString();
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
  const response = await api.app.inject({ url: `${path}?${search}`, headers: given as Record<string, string> });
  const isJson = String(response.headers['content-type']).startsWith('application/json');
  const { statusCode: status, headers: sent, body: text } = response;
  return { status, headers: sent, body: isJson ? JSON.parse(text) : undefined, text };
}

/** The reasons logged for the request with this id. */
export function reasonsOf(api: TestApi, requestId: string): unknown[] {
  const lines = api.logLines.filter((line) => line.requestId === requestId && line.event === 'oauth_callback_failed');
  return lines.map(({ reasonCode }) => reasonCode);
}
