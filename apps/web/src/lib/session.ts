import type { Session, User } from '@millrace/shared/contracts/auth';
import { ApiError } from './api-error.ts';
import { fetchApi } from './fetch-api.ts';
import { REFRESH_SESSION } from './routes.ts';

/**
 * Who is signed in. The access token lives in this module and nowhere else: no storage that another script or a later
 * person at this browser could read. The refresh cookie, which no script sees, brings it back after a reload.
 */
export type SessionState =
  | { status: 'unknown' }
  | { status: 'signed-out' }
  | { status: 'signed-in'; token: string; sessionId: string; user: User; renewAtMs: number };

const UNKNOWN: SessionState = { status: 'unknown' };
/** Renewed this long before it ends, so that no request leaves with a token that dies on its way. */
const EARLY_MS = 30_000;
const CHANNEL = 'millrace-session';

let state: SessionState = UNKNOWN;
let renewing: Promise<SessionState> | undefined;
const listeners = new Set<() => void>();
const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(CHANNEL);
// Another tab signed out: the session is gone for this one too.
channel?.addEventListener('message', () => change({ status: 'signed-out' }));

export const readSession = () => state;
export const readUnknownSession = () => UNKNOWN;

export function subscribeToSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function signedIn({ session, user }: { session: Session; user: User }): void {
  const lifeMs = (session.expiresAt - session.issuedAt) * 1_000;
  // Counted from now on this machine's clock, which may be wrong about the time of day.
  const renewAtMs = performance.now() + Math.max(lifeMs - EARLY_MS, lifeMs / 2);
  change({ status: 'signed-in', token: session.token, sessionId: session.sessionId, user, renewAtMs });
}

export function signedOut(): void {
  change({ status: 'signed-out' });
  announceSignOut();
}

/** To the other tabs. */
export function announceSignOut(): void {
  channel?.postMessage('signed-out');
}

/** The token for the next request, renewed when it is about to end; undefined when nobody is signed in. */
export async function currentToken(): Promise<string | undefined> {
  const isFresh = state.status === 'signed-in' && performance.now() < state.renewAtMs;
  const known = isFresh || state.status === 'signed-out' ? state : await renewSession();
  return known.status === 'signed-in' ? known.token : undefined;
}

/** Exchanges the refresh cookie. The cookie is rotated, so only one tab may do it at a time. Throws when nobody answers. */
export function renewSession(): Promise<SessionState> {
  renewing ??= navigator.locks.request(CHANNEL, renew).finally(() => {
    renewing = undefined;
  });
  return renewing;
}

async function renew(): Promise<SessionState> {
  try {
    const response = await fetchApi(REFRESH_SESSION.path, { method: REFRESH_SESSION.method });
    signedIn(await response.json());
  } catch (error) {
    if (!(error instanceof ApiError) || ![401, 403].includes(error.status)) throw error;
    change({ status: 'signed-out' });
  }
  return state;
}

function change(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}
