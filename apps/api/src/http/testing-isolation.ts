import type { Contract } from '@millrace/shared/contracts/contract';
import { RoleKey } from '@millrace/shared/permissions';
import type { LightMyRequestResponse } from 'fastify';
import { fillPath, SAMPLE_BODIES, sampleParams } from './testing.ts';
import type { Attackers, IsolationScene } from './testing-tenants.ts';

/**
 * T2, the isolation matrix: every way we know in which somebody asks for what belongs to another organization. `own` and
 * `foreign` say whose id stands in the path and in the header; every other id in a request is the victim's.
 */
export interface Shape {
  name: string;
  credential: keyof Attackers | 'none' | 'garbage';
  path: 'own' | 'foreign';
  header: 'own' | 'foreign' | 'both';
}

export const SHAPES: Shape[] = [
  { name: 'no token', credential: 'none', path: 'foreign', header: 'foreign' },
  { name: 'a garbage token', credential: 'garbage', path: 'foreign', header: 'foreign' },
  { name: 'an expired token', credential: 'expiredToken', path: 'foreign', header: 'foreign' },
  { name: 'a revoked session', credential: 'revokedSession', path: 'foreign', header: 'foreign' },
  { name: 'a revoked key', credential: 'revokedKey', path: 'foreign', header: 'foreign' },
  { name: 'an expired key', credential: 'expiredKey', path: 'foreign', header: 'foreign' },
  { name: 'a stranger', credential: 'stranger', path: 'foreign', header: 'foreign' },
  { name: 'a removed member', credential: 'removed', path: 'foreign', header: 'foreign' },
  { name: 'a member of another organization', credential: 'insider', path: 'foreign', header: 'foreign' },
  { name: 'a key of another organization', credential: 'insiderKey', path: 'foreign', header: 'foreign' },
  { name: 'own header on a foreign path', credential: 'insider', path: 'foreign', header: 'own' },
  { name: 'both organizations in the header', credential: 'insider', path: 'foreign', header: 'both' },
  { name: 'foreign ids on the own path', credential: 'insider', path: 'own', header: 'own' },
  { name: 'foreign ids on the own path, by key', credential: 'insiderKey', path: 'own', header: 'own' },
  { name: 'foreign header and ids on the own path', credential: 'insider', path: 'own', header: 'foreign' },
];

export interface AttackedRoute {
  /** `HEAD` for a contract's `GET` is a route of its own. */
  method: Contract['method'] | 'HEAD';
  contract: Contract;
}

/** The routes of the table that lie under an organization. Throws for one without a contract. */
export function organizationRoutes(routeTable: string[], contracts: Contract[]): AttackedRoute[] {
  return routeTable
    .filter((route) => /^\w+ \/v1\/orgs\/:orgId(\/|$)/.test(route))
    .map((route) => {
      const [method = '', path] = route.split(' ');
      const written = method === 'HEAD' ? 'GET' : method;
      const contract = contracts.find((one) => one.path === path && one.method === written);
      if (!contract) throw new Error(`${route} is served without a contract`);
      return { method: method as AttackedRoute['method'], contract };
    });
}

/** One route attacked in every shape by every role. Answers how many calls it took and what was wrong with an answer. */
export async function attackRoute(
  scene: IsolationScene,
  route: AttackedRoute,
): Promise<{ calls: number; findings: string[] }> {
  const findings: string[] = [];
  let calls = 0;
  for (const shape of SHAPES) {
    for (const role of RoleKey.options) {
      const request = makeRequest(scene, route, shape, role);
      const response = await scene.api.app.inject(request);
      calls += 1;
      const problems = [statusProblem(scene, route, shape, response), leakProblem(scene, request, response)];
      for (const problem of problems) {
        if (problem) findings.push(`${route.method} ${route.contract.path}, ${shape.name}, ${role}: ${problem}`);
      }
    }
  }
  return { calls, findings };
}

/** Parameters that are the id of one object; the victim's stands in for each. */
function foreignIds({ victim, victimIds }: IsolationScene) {
  const { workflowId, endedRunId: runId, fileId, userId: memberId, invitationId, apiKeyId } = victim;
  const ids = { workflowId, runId, fileId, memberId, invitationId, apiKeyId };
  for (const id of Object.values(ids)) if (!victimIds.has(id)) throw new Error(`${id} is no id of the victim`);
  return ids;
}

/**
 * Names that people choose mean something in every organization. The victim's own ones are the marker; they are kept from
 * writes at home, since what somebody was let write there they may read there.
 */
function foreignNames(
  { marker }: IsolationScene,
  { contract }: AttackedRoute,
  { path }: Shape,
): Record<string, string> {
  const isWriteAtHome = path === 'own' && !['GET', 'DELETE'].includes(contract.method);
  return { stepId: marker, ...(!isWriteAtHome && { name: marker }) };
}

function makeRequest(scene: IsolationScene, route: AttackedRoute, shape: Shape, role: RoleKey) {
  const { own, victim } = scene;
  const { method, contract } = route;
  const orgIds = { own: own.orgId, foreign: victim.orgId, both: `${own.orgId}, ${victim.orgId}` };
  const ids = foreignIds(scene);
  const names = foreignNames(scene, route, shape);
  const path = fillPath(contract, { ...sampleParams(orgIds[shape.path]), ...ids, ...names });
  const credential = credentialOf(scene, shape, role);
  const body = SAMPLE_BODIES[contract.id];
  return {
    method,
    url: `${path}${foreignQuery(scene, contract)}`,
    headers: { 'x-org-id': orgIds[shape.header], ...(credential && { authorization: `Bearer ${credential}` }) },
    ...(body && { payload: withForeignIds(body, ids) }),
  };
}

function credentialOf({ attackers }: IsolationScene, { credential }: Shape, role: RoleKey): string | undefined {
  if (credential === 'none') return undefined;
  return credential === 'garbage' ? 'no.such.token' : attackers[role][credential];
}

/** Filters that name the victim's objects, where the contract takes them. */
function foreignQuery({ victim, marker }: IsolationScene, { query }: Contract): string {
  const values = { workflowId: victim.workflowId, search: marker };
  const given = Object.entries(values).filter(([name]) => query && name in query.shape);
  return given.length > 0 ? `?${new URLSearchParams(given)}` : '';
}

/** The sample body with the victim's objects wherever it names one, in its filter too. */
function withForeignIds(body: Record<string, unknown>, ids: Record<string, string>): Record<string, unknown> {
  const foreign: Record<string, unknown> = { ...ids, userId: ids.memberId };
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      if (name === 'filter') return [name, withForeignIds(value as Record<string, unknown>, ids)];
      return [name, foreign[name] ?? value];
    }),
  );
}

function statusProblem(
  scene: IsolationScene,
  { contract }: AttackedRoute,
  shape: Shape,
  { statusCode }: LightMyRequestResponse,
): string | undefined {
  const allowed = allowedStatuses(scene, contract, shape);
  if (allowed === 'any answer about oneself')
    return statusCode >= 500 || statusCode === 401 ? `it answered ${statusCode}` : undefined;
  return allowed.includes(statusCode) ? undefined : `it answered ${statusCode}, not ${allowed.join(' or ')}`;
}

/** On the own path, a route that names no foreign object is an ordinary call about one's own organization. */
function allowedStatuses({ mode }: IsolationScene, contract: Contract, shape: Shape) {
  const { credential, path, header } = shape;
  if (UNKNOWN.has(credential)) return [401];
  const isRefusedHeader = mode === 'strict' && header !== path;
  if (isRefusedHeader) return [400];
  if (path === 'foreign') return [403];
  // 403: the attacker's role, or a key, may not do this even at home; the object is not looked for then.
  return NAMES_AN_OBJECT.test(contract.path) ? [403, 404] : 'any answer about oneself';
}

const UNKNOWN = new Set<Shape['credential']>([
  'none',
  'garbage',
  'expiredToken',
  'revokedSession',
  'revokedKey',
  'expiredKey',
]);
const NAMES_AN_OBJECT = /:(workflowId|runId|fileId|memberId|invitationId|apiKeyId)\b/;

/** The victim's marker or one of its ids, in the body or a header, unless the request itself brought it. */
function leakProblem(
  { marker, victimIds }: IsolationScene,
  request: object,
  { headers, body }: LightMyRequestResponse,
): string | undefined {
  const answer = `${JSON.stringify(headers)}\n${body}`;
  const sent = JSON.stringify(request);
  const secrets = [marker, ...victimIds].filter((secret) => !sent.includes(secret));
  const leaked = secrets.filter((secret) => answer.includes(secret));
  return leaked.length > 0 ? `the answer holds ${leaked.join(', ')}` : undefined;
}
