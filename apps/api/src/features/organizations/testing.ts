import { randomBytes } from 'node:crypto';
import { closeDatabase, connectDatabase } from '@millrace/db/connect';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { memberships } from '@millrace/db/schema/memberships';
import { withOrg } from '@millrace/db/tenant';
import { eventually } from '@millrace/queue/testing';
import { createOrganization } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import type { Permission, RoleKey } from '@millrace/shared/permissions';
import { signAccessToken } from '@millrace/shared/tokens';
import { call, type TestApi } from '../../testing.ts';
import { hashApiKey, makeApiKey } from '../api-keys/key.ts';

/** Signed in without a password, so that tests about roles can have many people in little time. */
export interface Person {
  id: string;
  sessionId: string;
  email: string;
  token: string;
}

/** A user with an active session. */
export async function addPerson(api: TestApi, email = `${newId()}@example.com`): Promise<Person> {
  const [id, sessionId] = [newId(), newId()];
  const { pool } = api.deps.db;
  await pool.query('INSERT INTO app.users (id, email) VALUES ($1, $2)', [id, email]);
  await pool.query(
    `INSERT INTO app.auth_sessions (id, user_id, refresh_salt, refresh_hash, idle_expires_at, absolute_expires_at)
     VALUES ($1, $2, $3, $3, now() + interval '1 day', now() + interval '2 days')`,
    [sessionId, id, randomBytes(32)],
  );
  const options = { nowSec: Math.floor(Date.now() / 1000), ttlSec: 900 };
  const token = await signAccessToken(api.deps.signingKeys, { userId: id, sessionId, email }, options);
  return { id, sessionId, email, token };
}

/** An organization of a new person, made through the API. */
export async function addOrganization(api: TestApi): Promise<{ orgId: string; slug: string; owner: Person }> {
  const owner = await addPerson(api);
  const slug = `org-${randomBytes(8).toString('hex')}`;
  const { status, body, text } = await call(api, createOrganization, {
    token: owner.token,
    body: { name: 'Org', slug },
  });
  if (status !== 201) throw new Error(`no organization was made: ${text}`);
  return { orgId: body.organization.id, slug, owner };
}

/** A member with this role; a new person unless given. */
export async function addMember(api: TestApi, orgId: string, roleKey: RoleKey, person?: Person): Promise<Person> {
  const member = person ?? (await addPerson(api));
  await withOrg(api.deps.db, orgId, (tx) =>
    tx.insert(memberships).values({ orgId, id: newId(), userId: member.id, roleKey }),
  );
  return member;
}

/** Another owner, whom an operator has disabled: one that cannot act. */
export async function addDisabledOwner(api: TestApi, orgId: string): Promise<Person> {
  const owner = await addMember(api, orgId, 'owner');
  await queryAsAdmin(api, 'UPDATE app.users SET disabled_at = now() WHERE id = $1', [owner.id]);
  return owner;
}

/** An API key of a member, with any permissions: also with those that the API gives to no key. */
export async function addKey(
  api: TestApi,
  orgId: string,
  maker: Pick<Person, 'id'>,
  permissions: Permission[],
): Promise<string> {
  const key = makeApiKey();
  await withOrg(api.deps.db, orgId, (tx) =>
    tx.insert(apiKeys).values({
      orgId,
      id: newId(),
      name: 'Key',
      keyHash: hashApiKey(key),
      keyHint: key.slice(-4),
      permissions,
      createdByUserId: maker.id,
    }),
  );
  return key;
}

/** Rows of every organization, read as the superuser. */
export async function queryAsAdmin<Row extends object>(api: TestApi, text: string, values: unknown[]): Promise<Row[]> {
  const database = connectDatabase({
    url: api.adminUrl,
    poolSize: 1,
    applicationName: 'test',
    onError: () => undefined,
  });
  try {
    return (await database.pool.query<Row & Record<string, unknown>>(text, values)).rows;
  } finally {
    await closeDatabase(database);
  }
}

/**
 * Starts requests that wait for the lock on the organization's row, demotes somebody to member meanwhile, and lets the
 * requests go on: each was let in with a role its sender no longer has.
 */
export async function demoteWhileWaiting<T>(
  api: TestApi,
  orgId: string,
  person: Person,
  requests: (() => Promise<T>)[],
): Promise<T[]> {
  const demote = `UPDATE app.memberships SET role_key = 'member' WHERE org_id = $1 AND user_id = $2`;
  return changeWhileWaiting(api, orgId, requests, { text: demote, values: [orgId, person.id] });
}

/** The same with an organization that is deleted while the request waits. */
export async function deleteWhileWaiting<T>(api: TestApi, orgId: string, request: () => Promise<T>): Promise<T> {
  const change = { text: 'DELETE FROM app.organizations WHERE id = $1', values: [orgId] };
  const [answer] = await changeWhileWaiting(api, orgId, [request], change);
  return answer as T;
}

async function changeWhileWaiting<T>(
  api: TestApi,
  orgId: string,
  requests: (() => Promise<T>)[],
  change: { text: string; values: string[] },
): Promise<T[]> {
  const database = connectDatabase({
    url: api.adminUrl,
    poolSize: 2,
    applicationName: 'test',
    onError: () => undefined,
  });
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM app.organizations WHERE id = $1 FOR UPDATE', [orgId]);
    const answers = Promise.all(requests.map((request) => request()));
    await eventually('every request waits for the lock', async () => {
      const { rows } = await database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length === requests.length;
    });
    await client.query(change.text, change.values);
    await client.query('COMMIT');
    return await answers;
  } finally {
    client.release(true); // also ends a transaction that a failure left open
    await closeDatabase(database);
  }
}
