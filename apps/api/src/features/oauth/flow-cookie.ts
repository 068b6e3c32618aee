import type { ApiConfig } from '@millrace/shared/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isHttps } from '../auth/cookies.ts';
import { FLOW_LIFETIME_SEC } from './flow-secrets.ts';

/**
 * Ties a sign-in under way to the browser that began it. Lax, because the provider's answer is a navigation from another
 * site. It proves nothing by itself: only together with the state of a flow does it count.
 */
export function readFlowCookie(config: ApiConfig, request: FastifyRequest): string | undefined {
  const value = request.cookies[cookieName(config)];
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined;
}

export function setFlowCookie(config: ApiConfig, reply: FastifyReply, value: string): void {
  reply.setCookie(cookieName(config), value, {
    path: '/',
    httpOnly: true,
    secure: isHttps(config),
    sameSite: 'lax',
    maxAge: FLOW_LIFETIME_SEC,
  });
}

function cookieName(config: ApiConfig): string {
  return isHttps(config) ? '__Host-of' : 'of';
}
