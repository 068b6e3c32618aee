import type { Contract } from '@millrace/shared/contracts/contract';
import { newId } from '@millrace/shared/ids';
import { hasPermission, isKeyPermission, Permission, RoleKey } from '@millrace/shared/permissions';
import { reportFigure } from '@millrace/shared/testing';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey, addMember, addOrganization, type Person } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';
import { fillPath, loadContracts, readRouteTable, SAMPLE_BODIES, sampleParams } from './testing.ts';

/** Who may call what: every contract x role x credential, in both modes of the organization header. */

const contracts = await loadContracts();
const ofOrganizations = contracts.filter(({ path }) => /^\/v1\/orgs\/:orgId(\/|$)/.test(path));
const MODES = ['strict', 'warn'] as const;
const ROLES = [...RoleKey.options, 'stranger'] as const;
const CREDENTIALS = ['access token', 'key with this permission', 'key with all others'] as const;
type Role = (typeof ROLES)[number];

/** Open to everybody on purpose. A contract that becomes public is written here, where somebody asks why. */
const PUBLIC = [
  'finishOAuth',
  'forgotPassword',
  'listSignInProviders',
  'logIn',
  'resetPassword',
  'signUp',
  'startOAuth',
];
const BY_COOKIE = ['logOut', 'logOutAll', 'refreshSession'];
/** Served without a contract, so without a caller: these show nothing of anybody. A hook's token is its credential. */
const OPEN_PATHS = /^\/(healthz|readyz|v1\/openapi\.json|v1\/hooks\/:token|docs(\/.*)?)$/;

interface Scene {
  api: TestApi;
  orgId: string;
  people: Record<Role, Person>;
  /** By role, then by the one permission that the key holds or lacks. */
  keys: Record<Role, { only: Map<Permission, string>; allBut: Map<Permission, string> }>;
}
const scenes = {} as Record<(typeof MODES)[number], Scene>;
let calls = 0;

beforeAll(async () => {
  for (const mode of MODES) scenes[mode] = await openScene(mode);
});

afterAll(async () => {
  for (const { api } of Object.values(scenes)) await api.close();
});

describe('declarations', () => {
  it('I2: every contract says who may call it; public ones and those that read the cookie are listed by name', () => {
    const idsOf = (...kinds: Contract['auth'][]) =>
      contracts.filter(({ auth }) => kinds.includes(auth)).map(({ id }) => id);
    expect(idsOf('public').toSorted()).toEqual(PUBLIC);
    expect(idsOf('cookie', 'bearer-or-cookie').toSorted()).toEqual(BY_COOKIE);
    const rest = contracts.filter(({ id }) => ![...PUBLIC, ...BY_COOKIE].includes(id));
    for (const { id, auth } of rest) expect(['bearer', 'session'], id).toContain(auth);
  });

  it('I2: a contract demands a permission exactly when it lies under an organization', () => {
    expect(contracts.filter(({ permission }) => permission).map(({ id }) => id)).toEqual(
      ofOrganizations.map(({ id }) => id),
    );
    expect(ofOrganizations.length).toBeGreaterThan(25);
  });

  it('I2: the app serves the contracts, a few open pages, and nothing else', async () => {
    const served = await readRouteTable(scenes.strict.api.app);
    const written = contracts.flatMap(({ method, path }) =>
      method === 'GET' ? [`GET ${path}`, `HEAD ${path}`] : [`${method} ${path}`],
    );
    const unwritten = served.filter((route) => !written.includes(route));
    expect(unwritten.filter((route) => !OPEN_PATHS.test(route.split(' ')[1] ?? ''))).toEqual([]);
    expect(written.filter((route) => !served.includes(route))).toEqual([]);
  });

  it('A9: what is not listed as open answers 401 to a request without a bearer, cookie or not', async () => {
    const { api, orgId } = scenes.strict;
    for (const contract of contracts.filter(({ id }) => !PUBLIC.includes(id))) {
      for (const cookie of ['', `rt=${newId()}.${'x'.repeat(43)}; __Host-rt=${newId()}.${'x'.repeat(43)}`]) {
        const response = await api.app.inject({
          method: contract.method,
          url: `${fillPath(contract, sampleParams(orgId))}`,
          headers: { 'x-org-id': orgId, origin: 'http://localhost:3000', cookie },
        });
        expect([response.statusCode, response.json().code], contract.id).toEqual([401, 'UNAUTHORIZED']);
      }
    }
  });
});

describe.each(MODES)('in %s mode', (mode) => {
  describe.each(ofOrganizations.map((contract) => [contract.id, contract] as const))('%s', (_id, contract) => {
    it.each(ROLES)('I2: lets %s in exactly when role, permissions and kind of credential allow it', async (role) => {
      for (const credential of CREDENTIALS) {
        const response = await send(mode, contract, tokenOf(mode, contract, role, credential));
        calls += 1;
        const code = refusalOf(contract, role, credential);
        const answered = [credential, response.statusCode, response.body];
        if (code) expect([response.statusCode, codeOf(response)], String(answered)).toEqual([403, code]);
        else if (isRefusedByUseCase(contract, role)) expect(response.statusCode, String(answered)).toBe(403);
        else expect([401, 403, 500, 503], String(answered)).not.toContain(response.statusCode);
      }
    });
  });
});

it('I2: covered every contract, role and credential', () => {
  const expected = ofOrganizations.length * ROLES.length * CREDENTIALS.length * MODES.length;
  expect(calls).toBe(expected);
  reportFigure(
    'Role and permission matrix',
    `${ofOrganizations.length} contracts x ${ROLES.length} roles x ${CREDENTIALS.length} credentials x ${MODES.length} modes = ${calls} calls, 0 wrong answers`,
  );
});

/** The code that the table of permissions demands; undefined when the caller is let in. */
function refusalOf(contract: Contract, role: Role, credential: (typeof CREDENTIALS)[number]) {
  const { permission, auth } = contract;
  if (role === 'stranger' || !permission) return 'ORG_ACCESS_DENIED';
  if (!hasPermission(role, permission)) return 'FORBIDDEN';
  if (credential === 'access token') return undefined;
  const isUsable = auth === 'bearer' && isKeyPermission(permission) && credential === 'key with this permission';
  return isUsable ? undefined : 'FORBIDDEN';
}

/** All hold `member:remove` because leaving is removing oneself; removing somebody else takes more. */
function isRefusedByUseCase({ id }: Contract, role: Role): boolean {
  return id === 'removeMember' && role === 'member';
}

function tokenOf(
  mode: (typeof MODES)[number],
  { permission }: Contract,
  role: Role,
  credential: (typeof CREDENTIALS)[number],
): string {
  const { people, keys } = scenes[mode];
  if (credential === 'access token' || !permission) return people[role].token;
  const { only, allBut } = keys[role];
  return (credential === 'key with this permission' ? only : allBut).get(permission) ?? '';
}

/** A well-formed request whose ids belong to nothing: what is let in meets 404 at worst. */
function send(mode: (typeof MODES)[number], contract: Contract, token: string): Promise<LightMyRequestResponse> {
  const { api, orgId } = scenes[mode];
  const body = SAMPLE_BODIES[contract.id];
  return api.app.inject({
    method: contract.method,
    url: fillPath(contract, sampleParams(orgId)),
    headers: { 'x-org-id': orgId, authorization: `Bearer ${token}` },
    ...(body && { payload: body }),
  });
}

function codeOf(response: LightMyRequestResponse): unknown {
  return response.json().code;
}

async function openScene(mode: (typeof MODES)[number]): Promise<Scene> {
  const api = await openTestApi({ ORG_CONTEXT_ENFORCEMENT: mode });
  const { orgId, owner } = await addOrganization(api);
  const elsewhere = await addOrganization(api);
  const people = {
    owner,
    admin: await addMember(api, orgId, 'admin'),
    member: await addMember(api, orgId, 'member'),
    stranger: elsewhere.owner,
  };
  const keys = {} as Scene['keys'];
  for (const role of ROLES) {
    const home = role === 'stranger' ? elsewhere.orgId : orgId;
    keys[role] = { only: new Map(), allBut: new Map() };
    for (const permission of Permission.options) {
      const others = Permission.options.filter((other) => other !== permission);
      keys[role].only.set(permission, await addKey(api, home, people[role], [permission]));
      keys[role].allBut.set(permission, await addKey(api, home, people[role], others));
    }
  }
  return { api, orgId, people, keys };
}
