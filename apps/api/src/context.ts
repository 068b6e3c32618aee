import type { RunDocument } from '@millrace/db/run-reads';
import type { Permission, RoleKey } from '@millrace/shared/permissions';
import type { Logger } from 'pino';
import type { Deps } from './deps.ts';

/** What every use case receives first: the parts it works with and the request it works for. */
export interface PublicContext {
  deps: Deps;
  requestId: string;
  log: Logger;
  /** Path of the request, for events: without the query and without a token in it. */
  path: string;
  method: string;
  client: Client;
  /** The trace of the request, for the wake-ups it sends; undefined while traces are off. */
  traceparent: string | undefined;
}

/** From where a request came: shown to people and kept in the audit log, decides nothing. */
export interface Client {
  userAgent: string | null;
  ipAddress: string;
}

/** A caller who proved to be somebody: a person with an active session, or an API key that acts for its maker. */
export interface UserContext extends PublicContext {
  userId: string;
  /** Null when an API key is at work. */
  sessionId: string | null;
  apiKey: ApiKeyActor | null;
}

/** A person, signed in: what a route with `auth: 'session'` works for. */
export interface SessionContext extends UserContext {
  sessionId: string;
  apiKey: null;
}

interface ApiKeyActor {
  id: string;
  orgId: string;
  permissions: readonly Permission[];
}

/** A member acting inside one organization, holding the permission that the contract demands. */
export interface OrgContext extends UserContext {
  orgId: string;
  roleKey: RoleKey;
  /** The run of the path, null when there is none; absent unless the call that authorized read it too. */
  runOfPath?: RunDocument | null;
  /** Set when the caller sent `Idempotency-Key` to a route that honours it. */
  idempotency?: IdempotencyRequest;
}

export interface IdempotencyRequest {
  key: string;
  /** Method and path: one key means one thing. */
  scope: string;
  requestHash: Buffer;
}
