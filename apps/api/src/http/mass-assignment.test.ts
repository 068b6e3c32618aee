import { digestOfTenant } from '@millrace/db/testing-marks';
import type { Contract } from '@millrace/shared/contracts/contract';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addOrganization, type Person } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';
import { fillPath, loadContracts, SAMPLE_BODIES, sampleParams } from './testing.ts';

/** What a row has and no body may set, in the spellings that somebody would try. */
const INJECTED: Record<string, unknown> = {
  id: newId(),
  orgId: newId(),
  org_id: newId(),
  organizationId: newId(),
  ownerId: newId(),
  userId: newId(),
  createdByUserId: newId(),
  role: 'owner',
  roleKey: 'owner',
  isAdmin: true,
  status: 'published',
  version: 7,
  createdAt: '2020-01-01T00:00:00.000Z',
};

const withBody = (await loadContracts()).filter(({ method }) => method !== 'GET');
let api: TestApi;
let admin: pg.Pool;
let orgId: string;
let owner: Person;

beforeAll(async () => {
  api = await openTestApi();
  admin = new pg.Pool({ connectionString: api.adminUrl, max: 1 });
  ({ orgId, owner } = await addOrganization(api));
});
afterAll(async () => {
  await admin.end();
  await api.close();
});

describe.each(withBody.map((contract) => [contract.id, contract] as const))('T3: %s', (id, contract) => {
  it('refuses every field that it does not ask for, and changes nothing', async () => {
    const before = await digestOfTenant(admin, orgId);
    const sample = SAMPLE_BODIES[id] ?? {};
    for (const [name, value] of Object.entries(INJECTED)) {
      for (const body of [...plant(sample, name, value), ...nestedPlants(contract, sample, name, value)]) {
        const response = await send(contract, body);
        const { code, details } = response.json();
        expect([response.statusCode, code], JSON.stringify(body)).toEqual([400, 'BAD_REQUEST']);
        expect(JSON.stringify(details)).toContain(name);
      }
    }
    expect(await digestOfTenant(admin, orgId)).toBe(before);
  });
});

it('T3: looks into nested objects too', () => {
  const testStep = withBody.find(({ id }) => id === 'testStep') as Contract;
  expect(nestedPlants(testStep, SAMPLE_BODIES.testStep ?? {}, 'orgId', 'x')).toHaveLength(1);
});

/** Beside the fields of the body; not where the field is one of them. */
function plant(sample: Record<string, unknown>, name: string, value: unknown): Record<string, unknown>[] {
  return name in sample ? [] : [{ ...sample, [name]: value }];
}

/** Inside each object of the body that has fields of its own; documents and run inputs may hold anything. */
function nestedPlants(contract: Contract, sample: Record<string, unknown>, name: string, value: unknown) {
  return Object.entries(sample)
    .filter(([, child]) => typeof child === 'object' && child !== null && !Array.isArray(child) && !(name in child))
    .map(([key, child]) => ({ ...sample, [key]: { ...(child as object), [name]: value } }))
    .filter((body) => contract.body?.safeParse(body).success === false);
}

function send(contract: Contract, payload: Record<string, unknown>) {
  return api.app.inject({
    method: contract.method,
    url: fillPath(contract, sampleParams(orgId)),
    headers: { authorization: `Bearer ${owner.token}`, 'x-org-id': orgId },
    payload,
  });
}
