import type { ApiConfig } from '@millrace/shared/config';
import { AppError } from '@millrace/shared/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * The refresh cookie. Only refresh, logout and logout-all may read it, through `readRefreshCookie`, which is also where
 * forgery from other sites ends; a route that reads cookies any other way reopens that door.
 */

/** The refresh token the browser sent. Throws 401 without one, 403 when the request does not come from the web app. */
export function readRefreshCookie(config: ApiConfig, request: FastifyRequest): string {
  const token = request.cookies[cookieName(config)];
  if (!token) throw new AppError('UNAUTHORIZED');
  if (!isFromWebApp(config, request))
    throw new AppError(
      'FORBIDDEN',
      'This cookie counts only in requests from the web app: Origin must be its address.',
    );
  return token;
}

/** `maxAgeSec`: how long the token is good for when it is not used. */
export function setRefreshCookie(config: ApiConfig, reply: FastifyReply, token: string, maxAgeSec: number): void {
  reply.setCookie(cookieName(config), token, { ...attributes(config), maxAge: maxAgeSec });
}

export function clearRefreshCookie(config: ApiConfig, reply: FastifyReply): void {
  reply.setCookie(cookieName(config), '', { ...attributes(config), maxAge: 0 });
}

/** The prefix makes browsers refuse the cookie from subdomains and plain http, so it needs https (RFC 6265bis, 4.1.3). */
function cookieName(config: ApiConfig): string {
  return isHttps(config) ? '__Host-rt' : 'rt';
}

function attributes(config: ApiConfig) {
  return { path: '/', httpOnly: true, secure: isHttps(config), sameSite: 'strict' } as const;
}

/** People open the web app by https, so a cookie can be kept from plain http and from other hosts. */
export function isHttps(config: ApiConfig): boolean {
  return new URL(config.WEB_BASE_URL).protocol === 'https:';
}

/**
 * `Origin` must be exactly the web app's; browsers leave it out in few same-origin requests, and then they vouch by
 * `Sec-Fetch-Site`, which no page can set. A request with neither is refused: old browsers are not worth a guess.
 */
function isFromWebApp(config: ApiConfig, request: FastifyRequest): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return request.headers['sec-fetch-site'] === 'same-origin';
  return origin === new URL(config.WEB_BASE_URL).origin;
}
