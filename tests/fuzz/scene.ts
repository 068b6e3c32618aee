import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import {
  addMember,
  addOrganization,
  addPerson,
  type Person,
} from '../../apps/api/src/features/organizations/testing.ts';
import { loadContracts, SAMPLE_BODIES } from '../../apps/api/src/http/testing.ts';
import { call, signUpUser, type TestApi } from '../../apps/api/src/testing.ts';
import { createRun } from '../../packages/shared/src/contracts/runs.ts';
import { createWorkflow, publishWorkflow } from '../../packages/shared/src/contracts/workflows.ts';
import { newId } from '../../packages/shared/src/ids.ts';
import type { RoleKey } from '../../packages/shared/src/permissions.ts';
import { signAccessToken } from '../../packages/shared/src/tokens.ts';
import type { Sender } from './requests.ts';

/** Ids of the path that belong together, as in { orgId, workflowId, runId }. */
export type Place = Record<string, string>;

/** One organization and the people who have to do with it, by the credential that each of them sends. */
interface Cast {
  orgId: string;
  people: Map<RoleKey, Person>;
  credentials: Record<Exclude<Sender, 'nobody' | 'other owner'>, string>;
}

/** What requests are filled from: a few tenants, and whatever the API answered before. */
export interface Scene {
  casts: Cast[];
  places: Place[];
  cookies: string[];
  /** By name: `email`, `workflowId`, `invitation.token`; the newest of each. */
  values: Map<string, unknown[]>;
  /** The same of samples, which never go: documents that are right in ways that no schema tells. */
  samples: Map<string, unknown[]>;
}

const CASTS = 3;
const VALUES_KEPT = 120;
const PLACES_KEPT = 400;
/** What one operation returns and another asks for under a different name. */
const ALIASES = new Map([
  ['userId', 'memberId'],
  ['slug', 'confirm'],
]);

export function openScene(bodies: unknown[]): Scene {
  const samples: Scene['samples'] = new Map();
  for (const body of bodies) rememberValues(samples, body, '');
  return { casts: [], places: [], cookies: [], values: new Map(), samples };
}

/** Replaces organizations that are gone, and all that was known of them; at first all. */
export async function renewCasts(scene: Scene, api: TestApi, admin: pg.Pool): Promise<void> {
  const { rows } = await admin.query('SELECT id FROM app.organizations WHERE id = ANY ($1)', [
    scene.casts.map(({ orgId }) => orgId),
  ]);
  const living = new Set(rows.map(({ id }) => id));
  scene.casts = scene.casts.filter(({ orgId }) => living.has(orgId));
  scene.places = scene.places.filter(({ orgId }) => orgId && living.has(orgId)).slice(-PLACES_KEPT);
  while (scene.casts.length < CASTS) {
    const cast = await makeCast(scene, api, admin);
    scene.casts.push(cast);
    scene.places.push({ orgId: cast.orgId });
    rememberValue(scene.values, 'orgId', cast.orgId);
  }
  await mendCasts(scene, api, admin);
  for (const cast of scene.casts) await addRun(scene, api, cast);
  await addGuest(scene, api);
}

/** Requests sign people out, remove them and change their roles; somebody new takes the part of each one lost. */
export async function mendCasts(scene: Scene, api: TestApi, admin: pg.Pool): Promise<void> {
  for (const cast of scene.casts) {
    const { rows } = await admin.query<{ role: RoleKey | null; session: string }>(
      `SELECT m.role_key AS role, s.id AS session FROM app.auth_sessions s
       JOIN app.memberships m ON m.user_id = s.user_id AND m.org_id = $1
       WHERE s.id = ANY ($2) AND s.revoked_at IS NULL`,
      [cast.orgId, [...cast.people.values()].map(({ sessionId }) => sessionId)],
    );
    for (const [role, { sessionId }] of cast.people) {
      if (rows.some((row) => row.role === role && row.session === sessionId)) continue;
      // The organization itself may have been deleted a moment ago; then the next round brings a new one.
      const person = await addMember(api, cast.orgId, role).catch(() => undefined);
      if (person) await giveRole(scene, admin, cast, role, person);
    }
  }
}

export interface Lesson {
  /** The known place that was asked, and the ids in the path. */
  source: Place;
  place: Place;
  /** What a good answer held; null when there was nothing at that place. */
  answer: { body: unknown; cookies: string[] } | null;
}

/** Keeps what good answers taught: ids with the path they belong to, tokens, cursors and cookies. */
export function learn(scene: Scene, lessons: Lesson[]): void {
  const gone = new Set(lessons.filter(({ answer }) => answer === null).map(({ source }) => source));
  scene.places = scene.places.filter((place) => !gone.has(place) || Object.keys(place).length === 1);
  for (const { place, answer } of lessons) {
    if (!answer) continue;
    scene.cookies = [...scene.cookies, ...answer.cookies.filter((cookie) => !cookie.endsWith('='))].slice(-20);
    rememberValues(scene.values, answer.body, '');
    const found = idsOf(answer.body).slice(0, 6);
    scene.places.push(...found.map((ids) => ({ ...place, ...ids })));
  }
}

/** The `nth` value of this name or of one that ends alike (`keyId` finds `apiKeyId`); undefined while there is none. */
export function recall({ values, samples }: Scene, name: string, nth: number): unknown {
  const wanted = name.toLowerCase();
  const alike = [...values].find(([key]) => key.toLowerCase().endsWith(wanted))?.[1];
  const learned = values.get(name) ?? alike ?? [];
  const sampled = samples.get(name) ?? [];
  const known = sampled.length > 0 && (nth % 2 === 0 || learned.length === 0) ? sampled : learned;
  return known[Math.floor(nth / 2) % Math.max(known.length, 1)];
}

async function makeCast(scene: Scene, api: TestApi, admin: pg.Pool): Promise<Cast> {
  const { orgId, owner } = await addOrganization(api);
  const [stranger, revoked] = [await addPerson(api), await addMember(api, orgId, 'owner')];
  await admin.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [revoked.sessionId]);
  rememberValue(scene.values, 'email', stranger.email);
  const tokens = { stranger: stranger.token, revoked: revoked.token, expired: await signExpired(api, owner) };
  const unset = { owner: '', admin: '', member: '', key: '', mangled: `${owner.token.slice(0, -4)}AAAA` };
  const cast: Cast = { orgId, people: new Map(), credentials: { ...unset, ...tokens } };
  await giveRole(scene, admin, cast, 'owner', owner);
  for (const role of ['admin', 'member'] as const)
    await giveRole(scene, admin, cast, role, await addMember(api, orgId, role));
  return cast;
}

async function giveRole(scene: Scene, admin: pg.Pool, cast: Cast, role: RoleKey, person: Person): Promise<void> {
  cast.people.set(role, person);
  cast.credentials[role] = person.token;
  rememberValue(scene.values, 'email', person.email);
  rememberValue(scene.values, 'userId', person.id);
  if (role === 'owner') cast.credentials.key = await makeKey(admin, cast.orgId, person);
}

/** A published workflow with a run: the longest path there is, which chance alone takes too rarely. */
async function addRun(scene: Scene, api: TestApi, { orgId, credentials }: Cast): Promise<void> {
  const base = { token: credentials.owner };
  const body = { name: 'Fuzz', dsl: SAMPLE_BODIES.testStep?.dsl };
  const created = await call(api, createWorkflow, { ...base, params: { orgId }, body });
  const params = { orgId, workflowId: created.body.workflow.id };
  await call(api, publishWorkflow, { ...base, params });
  const started = await call(api, createRun, { ...base, params });
  if (started.status !== 201) throw new Error(`no run was started: ${started.text}`);
  scene.places.push({ ...params, version: '1', runId: started.body.run.id });
}

/** Somebody with a password and a refresh cookie. */
async function addGuest(scene: Scene, api: TestApi): Promise<void> {
  const guest = await signUpUser(api);
  scene.cookies.push(guest.cookie);
  rememberValue(scene.values, 'email', guest.email);
  rememberValue(scene.values, 'password', guest.password);
}

async function signExpired(api: TestApi, { id, sessionId, email }: Person): Promise<string> {
  const nowSec = Math.floor(Date.now() / 1000) - 7_200;
  return signAccessToken(api.deps.signingKeys, { userId: id, sessionId, email }, { nowSec, ttlSec: 900 });
}

/** A key with every permission of an owner, written as its hash. */
async function makeKey(admin: pg.Pool, orgId: string, owner: Person): Promise<string> {
  const key = `mr_${randomBytes(32).toString('base64url')}`;
  const permissions = new Set((await loadContracts()).flatMap(({ permission }) => permission ?? []));
  await admin.query(
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $2, 'Fuzz', $3, $4, $5, $6)`,
    [orgId, newId(), createHash('sha256').update(key).digest(), key.slice(0, 8), [...permissions], owner.id],
  );
  return key;
}

function rememberValues(values: Scene['values'], value: unknown, parent: string): void {
  if (Array.isArray(value)) {
    for (const item of value.slice(0, 4)) rememberValues(values, item, parent.replace(/s$/, ''));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    rememberValue(values, key, item);
    if (parent !== '' && typeof item === 'string')
      rememberValue(values, key === 'id' ? `${parent}Id` : `${parent}.${key}`, item);
    if (JSON.stringify(item).length < 20_000) rememberValues(values, item, key);
  }
}

function rememberValue(values: Scene['values'], name: string, value: unknown): void {
  const isUseful = value !== null && JSON.stringify(value).length < 5_000;
  if (!isUseful) return;
  const kept = values.get(name) ?? [];
  kept.push(value);
  const alias = ALIASES.get(name);
  if (alias) rememberValue(values, alias, value);
  values.set(name, kept.slice(-VALUES_KEPT));
}

/** `{ run: { id, version } }` and `{ runs: [{ id }] }` both name a `runId`. */
function idsOf(body: unknown): Place[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([key, value]) =>
    [value].flat().flatMap((item: unknown) => placeOf(key.replace(/s$/, ''), item)),
  );
}

function placeOf(name: string, item: unknown): Place[] {
  if (typeof item !== 'object' || item === null) return [];
  const { id, userId, version } = item as { id?: unknown; userId?: unknown; version?: unknown };
  const place = {
    ...(typeof id === 'string' && { [`${name}Id`]: id }),
    ...(typeof userId === 'string' && { memberId: userId }),
    ...(typeof version === 'number' && version > 0 && { version: String(version) }),
  };
  return Object.keys(place).length > 0 ? [place] : [];
}
