import type { Contract } from '@millrace/shared/contracts/contract';
import { putHookSecret } from '@millrace/shared/contracts/hooks';
import { createInvitation } from '@millrace/shared/contracts/invitations';
import { putPin } from '@millrace/shared/contracts/steps';
import { createWorkflow, publishWorkflow } from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadContracts, SAMPLE_BODIES } from '../../http/testing.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, type Person, queryAsAdmin } from '../organizations/testing.ts';

/** What changes something, or seems to, and leaves no entry all the same. */
const WITHOUT_ENTRY: Record<string, string> = {
  createRun: 'a run is its own record, with whoever asked for it, and there are far too many',
  retryRun: 'as createRun: the new run names whoever asked and the run it retries',
  cancelRun: 'the timeline of the run says who asked, and nobody may change it',
  decideStep: 'the timeline of the run says who decided what, and nobody may change it',
  testStep: 'stores nothing',
  deleteOrganization: 'the log goes with the organization; the event organization_deleted stays',
};

/** Everything a request may be about, in an organization of its own. */
interface Scene {
  owner: Person;
  params: Record<string, string>;
}

/** Bodies that must name something of the scene, or differ from what it is; all others are the samples. */
const BODIES: Record<string, (scene: Scene) => unknown> = {
  changeMemberRole: () => ({ roleKey: 'admin' }),
  transferOrganization: ({ params }) => ({ memberId: params.memberId }),
};

const contracts = (await loadContracts()).filter(
  ({ method, path }) => method !== 'GET' && path.startsWith('/v1/orgs/:orgId'),
);

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
});

afterAll(async () => {
  await api.close();
});

it('knows every endpoint that is named as one without an entry', () => {
  const ids = contracts.map(({ id }) => id);
  expect(ids.length).toBeGreaterThan(15);
  expect(ids).toEqual(expect.arrayContaining(Object.keys(WITHOUT_ENTRY)));
});

describe.each(contracts.map((contract) => [contract.id, contract] as const))('S3: %s', (id, contract) => {
  const isAudited = !(id in WITHOUT_ENTRY);

  if (isAudited)
    it('leaves exactly one entry, in the transaction of the change', async () => {
      const scene = await openScene();
      const { orgId = '' } = scene.params;
      const before = await readEntries(orgId);
      const { status, text, headers } = await send(contract, scene);
      expect(status, text).toBe(contract.status);
      const [entry, ...others] = (await readEntries(orgId)).slice(before.length);
      expect(others).toEqual([]);
      expect(entry).toMatchObject({
        actor: scene.owner.id,
        ip: '127.0.0.1',
        agent: 'coverage-test',
        request: headers['x-request-id'],
        action: expect.stringMatching(/^[a-z_-]+\.[a-z_-]+$/),
      });
      expect(entry?.action.startsWith(`${entry.subject}.`)).toBe(true);
    });

  it('leaves no entry when it is refused', async () => {
    const scene = await openScene();
    const before = await readEntries(scene.params.orgId ?? '');
    const stranger = await addPerson(api);
    const { status } = await send(contract, { ...scene, owner: stranger });
    expect(status).toBe(403);
    expect(await readEntries(scene.params.orgId ?? '')).toEqual(before);
  });
});

function send(contract: Contract, scene: Scene) {
  const names = [...contract.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');
  const unknown = names.filter((name) => !(name in scene.params));
  if (unknown.length > 0) throw new Error(`openScene must say what :${unknown.join(', :')} stands for`);
  const body = BODIES[contract.id]?.(scene) ?? SAMPLE_BODIES[contract.id];
  return call(api, contract, {
    token: scene.owner.token,
    params: scene.params,
    headers: { 'user-agent': 'coverage-test' },
    ...(body !== undefined && { body }),
  });
}

async function openScene(): Promise<Scene> {
  const { orgId, owner } = await addOrganization(api);
  const member = await addMember(api, orgId, 'member');
  const input = { token: owner.token, params: { orgId } };
  const dsl = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: STEPS, edges: [] };
  const { body: created } = await call(api, createWorkflow, { ...input, body: { name: 'Flow', dsl } });
  const workflowId = created.workflow.id;
  const ofWorkflow = { orgId, workflowId };
  const published = await call(api, publishWorkflow, { ...input, params: ofWorkflow });
  const pinned = await call(api, putPin, {
    ...input,
    params: { ...ofWorkflow, stepId: 'fetch' },
    body: { output: 1 },
  });
  const secured = await call(api, putHookSecret, { ...input, params: ofWorkflow, body: { secret: 'to sign with' } });
  const invited = await call(api, createInvitation, {
    ...input,
    body: { email: 'guest@example.com', roleKey: 'member' },
  });
  expect([published.status, pinned.status, secured.status, invited.status]).toEqual([200, 200, 200, 201]);
  const [apiKeyId, name] = [newId(), 'region'];
  await queryAsAdmin(
    api,
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $2, 'Key', sha256(uuid_send($2)), 'abcd', '{run:read}', $3)`,
    [orgId, apiKeyId, owner.id],
  );
  await queryAsAdmin(api, `INSERT INTO app.organization_variables (org_id, name, value) VALUES ($1, $2, '1')`, [
    orgId,
    name,
  ]);
  await queryAsAdmin(
    api,
    `INSERT INTO app.failure_notice_settings (org_id, channel, webhook_url) VALUES ($1, 'webhook', 'http://127.0.0.1:1/')`,
    [orgId],
  );
  const ids = { memberId: member.id, invitationId: invited.body.invitation.id, apiKeyId, runId: newId() };
  return { owner, params: { ...ofWorkflow, ...ids, stepId: 'fetch', version: '1', name } };
}

const STEPS = [{ id: 'fetch', type: 'transform', config: { value: 1 } }];

function readEntries(orgId: string) {
  return queryAsAdmin<{ actor: string; ip: string; agent: string; request: string; action: string; subject: string }>(
    api,
    `SELECT actor_user_id AS actor, ip_address AS ip, user_agent AS agent, request_id AS request, action,
       subject_type AS subject FROM app.audit_log WHERE org_id = $1 ORDER BY seq`,
    [orgId],
  );
}
