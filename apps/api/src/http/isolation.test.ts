import { digestOfTenant } from '@millrace/db/testing-marks';
import { createWorkflow } from '@millrace/shared/contracts/workflows';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, openTestApi } from '../testing.ts';
import { fillPath, loadContracts, readRouteTable, sampleParams } from './testing.ts';
import { attackRoute, organizationRoutes, SHAPES } from './testing-isolation.ts';
import { type IsolationScene, openIsolationScene } from './testing-tenants.ts';

const MODES = ['strict', 'warn'] as const;
const contracts = await loadContracts();
const routes = await findRoutes();

/** What a column holds that takes no marker: a word of a fixed list, or something that another column rules out. */
const UNMARKED = [
  'api_keys.permissions',
  'child_run_events.type',
  'failure_notice_settings.channel',
  'failure_notice_settings.webhook_url',
  'memberships.role_key',
  'organization_invitations.role_key',
  'workflow_run_blobs.field',
  'workflow_run_signals.type',
  'workflow_run_steps.status',
  'workflow_runs.held_by',
  'workflow_runs.status',
  'workflow_schedules.catch_up',
  'workflows.status',
];

const scenes = {} as Record<(typeof MODES)[number], IsolationScene>;
const attacked = new Set<string>();
let calls = 0;

beforeAll(async () => {
  for (const mode of MODES) scenes[mode] = await openIsolationScene(mode);
});
afterAll(async () => {
  for (const scene of Object.values(scenes)) await scene.close();
});

it('T2: the victim has a marker in every text and JSON value that can hold one', () => {
  for (const mode of MODES) expect(scenes[mode].unmarked).toEqual(UNMARKED);
});

it('T2: a leak would be seen: to its own owner the victim shows marker and ids, and a change changes the digest', async () => {
  const { api, admin, victim, victimOwner, marker, victimIds, ownMarker } = scenes.strict;
  const showing: string[] = [];
  for (const contract of contracts.filter(({ method, permission }) => method === 'GET' && permission)) {
    const { workflowId, endedRunId: runId } = victim;
    const response = await api.app.inject({
      url: fillPath(contract, { ...sampleParams(victim.orgId), workflowId, runId }),
      headers: { 'x-org-id': victim.orgId, authorization: `Bearer ${victimOwner.token}` },
    });
    const isShown = response.body.includes(marker) && [...victimIds].some((id) => response.body.includes(id));
    if (response.statusCode === 200 && isShown) showing.push(contract.id);
    expect(response.body).not.toContain(ownMarker);
  }
  expect(showing).toEqual(expect.arrayContaining(['getOrganization', 'listMembers', 'listInvitations', 'listApiKeys']));
  expect(showing).toEqual(
    expect.arrayContaining(['listWorkflows', 'getWorkflow', 'listRuns', 'listWorkflowRuns', 'getRun']),
  );
  const before = await digestOfTenant(admin, victim.orgId);
  await admin.query('UPDATE app.workflow_pins SET updated_at = clock_timestamp() WHERE org_id = $1', [victim.orgId]);
  expect(await digestOfTenant(admin, victim.orgId)).not.toBe(before);
});

describe.each(MODES)('in %s mode', (mode) => {
  it.each(routes.map((route) => [`${route.method} ${route.contract.path}`, route] as const))(
    'T2: %s shows and changes nothing of another organization, in every shape and role',
    async (name, route) => {
      const scene = scenes[mode];
      const before = await digestOfTenant(scene.admin, scene.victim.orgId);
      const outcome = await attackRoute(scene, route);
      expect(outcome.findings).toEqual([]);
      expect(await digestOfTenant(scene.admin, scene.victim.orgId)).toBe(before);
      attacked.add(name);
      calls += outcome.calls;
    },
  );

  it("T2: another organization's Idempotency-Key names nothing here", async () => {
    const { api, own, marker, attackers } = scenes[mode];
    const answer = await call(api, createWorkflow, {
      token: attackers.owner.insider,
      params: { orgId: own.orgId },
      body: { name: 'Flow', dsl: {} },
      headers: { 'idempotency-key': marker },
    });
    expect([answer.status, answer.headers['idempotency-replayed']]).toEqual([201, undefined]);
  });
});

it('T2: every route that the app serves under an organization was attacked', async () => {
  const served = (await readRouteTable(scenes.strict.api.app)).filter((route) => route.includes(' /v1/orgs/:orgId'));
  expect(served.length).toBeGreaterThan(35);
  expect([...attacked].toSorted()).toEqual(served.toSorted());
  expect(calls).toBe(served.length * SHAPES.length * 3 * MODES.length);
  reportFigure(
    'Tenant isolation matrix',
    `${served.length} routes x ${SHAPES.length} shapes x 3 roles x 2 modes = ${calls} calls, 0 foreign bytes, 0 foreign rows changed`,
  );
});

async function findRoutes() {
  const api = await openTestApi();
  try {
    return organizationRoutes(await readRouteTable(api.app), contracts);
  } finally {
    await api.close();
  }
}
