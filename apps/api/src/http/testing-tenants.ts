import { randomInt } from 'node:crypto';
import { idsOfTenant, markTenant } from '@millrace/db/testing-marks';
import { type SeededTenant, seedTenant } from '@millrace/db/testing-rows';
import { Permission, RoleKey } from '@millrace/shared/permissions';
import { signAccessToken } from '@millrace/shared/tokens';
import pg from 'pg';
import { addKey, addMember, addOrganization, type Person } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';

/** Two organizations with rows in every tenant table, one to attack from and one to attack, and everybody who tries. */
export interface IsolationScene {
  api: TestApi;
  admin: pg.Pool;
  mode: 'strict' | 'warn';
  own: SeededTenant;
  /** The organization under attack. */
  victim: SeededTenant;
  victimOwner: Person;
  /** Stands in every text and JSON value of the victim. */
  marker: string;
  ownMarker: string;
  /** Columns that cannot hold the marker. */
  unmarked: string[];
  /** Every id in the victim's rows. */
  victimIds: Set<string>;
  attackers: Record<RoleKey, Attackers>;
  close(): Promise<void>;
}

/** The credentials of those with one role in their own organization. */
export interface Attackers {
  insider: string;
  insiderKey: string;
  /** Of a third organization. */
  stranger: string;
  /** Was a member of the victim's organization until just now, with this role. */
  removed: string;
  /** A member of the victim's, whose session was revoked. */
  revokedSession: string;
  /** A member of the victim's, whose access token has expired. */
  expiredToken: string;
  /** Keys of the victim's organization. */
  revokedKey: string;
  expiredKey: string;
}

/** Its values are names from a list in the code, so nobody can write free text there. */
const LISTED_VALUES = ['api_keys.permissions'];

export async function openIsolationScene(
  mode: IsolationScene['mode'],
  open: typeof openTestApi = openTestApi,
): Promise<IsolationScene> {
  const api = await open({ ORG_CONTEXT_ENFORCEMENT: mode });
  // They write to mails and notices that are due, whoever's they are; here only requests may change anything.
  await Promise.all([api.deps.mailSender.stop(), api.deps.noticeSender.stop()]);
  const admin = new pg.Pool({ connectionString: api.adminUrl, max: 2 });
  const [own, victim] = [await seedTenant(admin), await seedTenant(admin)];
  const [ownMarker, marker] = [makeMarker(), makeMarker()];
  await markTenant(admin, own.orgId, ownMarker, LISTED_VALUES);
  const victimOwner = await addMember(api, victim.orgId, 'owner');
  const attackers = {} as IsolationScene['attackers'];
  for (const role of RoleKey.options) attackers[role] = await addAttackers({ api, admin, own, victim }, role);
  const unmarked = await markTenant(admin, victim.orgId, marker, LISTED_VALUES);
  return {
    ...{ api, admin, mode, own, victim, victimOwner, marker, ownMarker, unmarked, attackers },
    victimIds: new Set(await idsOfTenant(admin, victim.orgId)),
    close: async () => {
      await admin.end();
      await api.close();
    },
  };
}

/** A letter that no id and no hash holds comes first, so that nothing else looks like a marker. */
function makeMarker(): string {
  return `zq${Array.from({ length: 10 }, () => randomInt(36).toString(36)).join('')}`;
}

type Ground = Pick<IsolationScene, 'api' | 'admin' | 'own' | 'victim'>;

async function addAttackers({ api, admin, own, victim }: Ground, role: RoleKey): Promise<Attackers> {
  const insider = await addMember(api, own.orgId, role);
  const third = await addOrganization(api);
  const removed = await addMember(api, own.orgId, role);
  await addMember(api, victim.orgId, role, removed);
  await admin.query('DELETE FROM app.memberships WHERE org_id = $1 AND user_id = $2', [victim.orgId, removed.id]);
  const revoked = await addMember(api, victim.orgId, role);
  await admin.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [revoked.sessionId]);
  const theirs = await addMember(api, victim.orgId, role);
  const addTheirKey = async (end: string) => {
    const key = await addKey(api, victim.orgId, theirs, [...Permission.options]);
    await admin.query(
      `UPDATE app.api_keys SET ${end} = now()
       WHERE org_id = $1 AND created_by_user_id = $2 AND revoked_at IS NULL AND expires_at IS NULL`,
      [victim.orgId, theirs.id],
    );
    return key;
  };
  return {
    insider: insider.token,
    insiderKey: await addKey(api, own.orgId, insider, [...Permission.options]),
    stranger: (await addMember(api, third.orgId, role)).token,
    removed: removed.token,
    revokedSession: revoked.token,
    expiredToken: await signExpired(api, theirs),
    revokedKey: await addTheirKey('revoked_at'),
    expiredKey: await addTheirKey('expires_at'),
  };
}

/** Everything about it is right but the time. */
function signExpired(api: TestApi, { id, sessionId, email }: Person): Promise<string> {
  const issuedSec = Math.floor(Date.now() / 1000) - 3600;
  return signAccessToken(api.deps.signingKeys, { userId: id, sessionId, email }, { nowSec: issuedSec, ttlSec: 900 });
}
