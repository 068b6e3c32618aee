import type { RoleKey } from '@millrace/shared/permissions';
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
}

/** A caller whose token was verified and whose session is active. */
export interface UserContext extends PublicContext {
  userId: string;
  sessionId: string;
  email: string;
}

/** A member acting inside one organization, holding the permission that the contract demands. */
export interface OrgContext extends UserContext {
  orgId: string;
  roleKey: RoleKey;
  /** Set when the caller sent `Idempotency-Key` to a route that honours it. */
  idempotency?: IdempotencyRequest;
}

export interface IdempotencyRequest {
  key: string;
  /** Method and path: one key means one thing. */
  scope: string;
  requestHash: Buffer;
}
