import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { type SeededTenant, seedTenant } from '@millrace/db/testing-rows';
import type { Contract } from '@millrace/shared/contracts/contract';
import { hasPermission, RoleKey } from '@millrace/shared/permissions';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addMember, addOrganization, addPerson, type Person } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';
import { fillPath, loadContracts, SAMPLE_BODIES, sampleParams } from './testing.ts';

const contracts = await loadContracts();
const ofOrganizations = contracts.filter(({ path }) => path.startsWith('/v1/orgs/:orgId'));
const MODES = ['strict', 'warn'] as const;

interface Scene {
  api: TestApi;
  admin: Database;
  /** The organization whose people call. */
  orgId: string;
  people: Record<RoleKey | 'stranger' | 'revoked' | 'removed', Person>;
  /** Another tenant, with a row in every table. */
  victim: SeededTenant;
}
const scenes = {} as Record<(typeof MODES)[number], Scene>;

beforeAll(async () => {
  for (const mode of MODES) scenes[mode] = await openScene(mode);
});

afterAll(async () => {
  for (const { api, admin } of Object.values(scenes)) {
    await closeDatabase(admin);
    await api.close();
  }
});

it('declares a permission on exactly the endpoints of an organization, and bearer with it', () => {
  expect(contracts.filter(({ permission }) => permission)).toEqual(ofOrganizations);
  expect(ofOrganizations.every(({ auth }) => auth === 'bearer')).toBe(true);
});

describe.each(MODES)('in %s mode', (mode) => {
  describe.each(ofOrganizations.map((contract) => [contract.id, contract] as const))('%s', (_id, contract) => {
    it('answers 401 without a token and after the session was revoked', async () => {
      const { orgId, people } = scenes[mode];
      expectCode(await send(mode, contract, undefined, orgId), 401, 'UNAUTHORIZED');
      expectCode(await send(mode, contract, people.revoked, orgId), 401, 'UNAUTHORIZED');
    });

    it('answers 403 to a stranger, to a former member, and to a member of another organization', async () => {
      const { orgId, people, victim } = scenes[mode];
      for (const person of [people.stranger, people.removed])
        expectCode(await send(mode, contract, person, orgId), 403, 'ORG_ACCESS_DENIED');
      expectCode(await send(mode, contract, people.owner, victim.orgId), 403, 'ORG_ACCESS_DENIED');
    });

    it.each(RoleKey.options)('lets %s in exactly when the role holds the permission', async (role) => {
      const { orgId, people } = scenes[mode];
      const response = await send(mode, contract, people[role], orgId);
      const isHeld = contract.permission !== undefined && hasPermission(role, contract.permission);
      if (!isHeld) return expectCode(response, 403, 'FORBIDDEN');
      expect(response.statusCode).toBeLessThan(500);
      // Removing somebody else takes more than leaving does; the service tells the two apart.
      if (contract.permission !== 'member:remove') expect(response.statusCode).not.toBe(403);
    });

    it('neither shows nor changes a row of another tenant, whichever organization path and header name', async () => {
      const { orgId, people, victim } = scenes[mode];
      const before = await digest(mode);
      const own = await send(mode, contract, people.owner, orgId, { ids: victim });
      const ownWithForeignHeader = await send(mode, contract, people.owner, orgId, {
        ids: victim,
        header: victim.orgId,
      });
      const foreignWithOwnHeader = await send(mode, contract, people.owner, victim.orgId, {
        ids: victim,
        header: orgId,
      });
      // A name that people choose is nobody's id: it means something in every organization.
      if (/:(?!orgId|name)\w+/.test(contract.path)) expectCode(own, 404, 'NOT_FOUND');
      if (mode === 'strict') expectCode(ownWithForeignHeader, 400, 'INVALID_ORG_CONTEXT');
      if (mode === 'strict') expectCode(foreignWithOwnHeader, 400, 'INVALID_ORG_CONTEXT');
      else expectCode(foreignWithOwnHeader, 403, 'ORG_ACCESS_DENIED');
      for (const { body } of [own, ownWithForeignHeader, foreignWithOwnHeader])
        for (const id of [victim.workflowId, victim.endedRunId, victim.invitationId, victim.userId])
          expect(body).not.toContain(id);
      expect(await digest(mode)).toBe(before);
    });
  });
});

async function openScene(mode: (typeof MODES)[number]): Promise<Scene> {
  const api = await openTestApi({ ORG_CONTEXT_ENFORCEMENT: mode });
  const admin = connectDatabase({ url: api.adminUrl, poolSize: 1, applicationName: 'test', onError: () => undefined });
  const { orgId, owner } = await addOrganization(api);
  const people = {
    owner,
    admin: await addMember(api, orgId, 'admin'),
    member: await addMember(api, orgId, 'member'),
    revoked: await addMember(api, orgId, 'owner'),
    removed: await addMember(api, orgId, 'owner'),
    stranger: await addPerson(api),
  };
  await admin.pool.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [people.revoked.sessionId]);
  await admin.pool.query('DELETE FROM app.memberships WHERE user_id = $1', [people.removed.id]);
  return { api, admin, orgId, people, victim: await seedTenant(admin.pool) };
}

/** A well-formed request; ids in the path belong to nothing, or to the tenant given. */
function send(
  mode: (typeof MODES)[number],
  contract: Contract,
  person: Person | undefined,
  orgId: string,
  { ids, header = orgId }: { ids?: SeededTenant; header?: string } = {},
): Promise<LightMyRequestResponse> {
  const foreign = ids && {
    workflowId: ids.workflowId,
    runId: ids.endedRunId,
    memberId: ids.userId,
    invitationId: ids.invitationId,
  };
  const body = SAMPLE_BODIES[contract.id];
  return scenes[mode].api.app.inject({
    method: contract.method,
    url: fillPath(contract, { ...sampleParams(orgId), ...foreign }),
    headers: { 'x-org-id': header, ...(person && { authorization: `Bearer ${person.token}` }) },
    ...(body && { payload: body }),
  });
}

function expectCode(response: LightMyRequestResponse, status: number, code: string): void {
  expect([response.statusCode, response.json().code], response.body).toEqual([status, code]);
}

/** Every row of the other tenant, as one hash. */
async function digest(mode: (typeof MODES)[number]): Promise<string> {
  const { admin, victim } = scenes[mode];
  const { rows } = await admin.pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'app' AND column_name = 'org_id' ORDER BY 1`,
  );
  const tables = rows.map(({ name }) => `SELECT '${name}' || t::text AS row FROM app.${name} t WHERE org_id = $1`);
  const own = 'SELECT t::text FROM app.organizations t WHERE id = $1';
  const all = [...tables, own].join(' UNION ALL ');
  const result = await admin.pool.query(`SELECT md5(string_agg(row, '|' ORDER BY row)) AS hash FROM (${all}) a`, [
    victim.orgId,
  ]);
  return result.rows[0].hash;
}
