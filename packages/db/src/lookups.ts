import type { Permission } from '@millrace/shared/permissions';
import { type Database, readHot } from './connect.ts';
import type { RoleKey } from './schema/roles.ts';
import { assertUuid } from './uuid.ts';

/** The questions that must be answered before an organization is known. Each is one narrow function in the database. */

export interface Authorization {
  /** The session exists, belongs to this user, is not revoked and within its idle and absolute life. */
  isSessionActive: boolean;
  /** The user's role in the organization; null without a membership or when `orgId` is null. */
  roleKey: RoleKey | null;
}

/** One indexed call for every request: is the session alive, and what may its user do here. Nothing is cached. */
export async function authorize(
  db: Database,
  who: { sessionId: string; userId: string; orgId: string | null },
): Promise<Authorization> {
  assertUuid(who.sessionId, 'sessionId');
  assertUuid(who.userId, 'userId');
  if (who.orgId !== null) assertUuid(who.orgId, 'orgId');
  const rows = await readHot<{ is_session_active: boolean; role_key: RoleKey | null }>(db, AUTHORIZE, [
    who.sessionId,
    who.userId,
    who.orgId,
  ]);
  return { isSessionActive: rows[0]?.is_session_active ?? false, roleKey: rows[0]?.role_key ?? null };
}

export interface ApiKeyAuthorization {
  orgId: string;
  keyId: string;
  /** Who made the key: it acts for them. */
  userId: string;
  roleKey: RoleKey;
  permissions: Permission[];
  /** Its use was not noted within the last minute. */
  isUseStale: boolean;
}

/** What the key with this SHA-256 may do right now; null for one that is unknown, revoked, expired or orphaned. */
export async function authorizeApiKey(db: Database, keyHash: Buffer): Promise<ApiKeyAuthorization | null> {
  const rows = await readHot<ApiKeyAuthorization>(db, AUTHORIZE_API_KEY, [keyHash]);
  return rows[0] ?? null;
}

export interface OrganizationOfUser {
  id: string;
  slug: string;
  name: string;
  createdAt: Date;
  roleKey: RoleKey;
}

/** Every organization the user is a member of, oldest first. */
export async function listOrganizationsOfUser(db: Database, userId: string): Promise<OrganizationOfUser[]> {
  assertUuid(userId, 'userId');
  const { rows } = await db.pool.query<OrganizationOfUser>(
    'SELECT id, slug, name, created_at AS "createdAt", role_key AS "roleKey" FROM sys.orgs_of_user($1)',
    [userId],
  );
  return rows;
}

/** True when an organization has this slug; whose it is stays unsaid. */
export async function isSlugTaken(db: Database, slug: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ taken: boolean }>('SELECT sys.is_slug_taken($1) AS taken', [slug]);
  return rows[0]?.taken ?? false;
}

/** Finds an invitation by the SHA-256 of its token, whatever its state; the caller reads that inside `withOrg`. */
export async function findInvitationByTokenHash(
  db: Database,
  tokenHash: Buffer,
): Promise<{ orgId: string; id: string } | null> {
  const { rows } = await db.pool.query<{ orgId: string; id: string }>(
    'SELECT org_id AS "orgId", id FROM sys.invitation_by_token($1)',
    [tokenHash],
  );
  return rows[0] ?? null;
}

/** Finds a workflow by the SHA-256 of the token in its address; whether it takes requests is read inside `withOrg`. */
export async function findWorkflowByHook(
  db: Database,
  tokenHash: Buffer,
): Promise<{ orgId: string; workflowId: string } | null> {
  const rows = await readHot<{ orgId: string; workflowId: string }>(db, WORKFLOW_BY_HOOK, [tokenHash]);
  return rows[0] ?? null;
}

const AUTHORIZE = {
  name: 'authorize',
  text: 'SELECT is_session_active, role_key FROM sys.authorize($1::uuid, $2::uuid, $3::uuid)',
};

const AUTHORIZE_API_KEY = {
  name: 'authorize_api_key',
  text: `SELECT org_id AS "orgId", id AS "keyId", user_id AS "userId", role_key AS "roleKey", permissions,
    is_use_stale AS "isUseStale" FROM sys.authorize_api_key($1::bytea)`,
};

const WORKFLOW_BY_HOOK = {
  name: 'workflow_by_hook',
  text: 'SELECT org_id AS "orgId", workflow_id AS "workflowId" FROM sys.workflow_by_hook($1::bytea)',
};
