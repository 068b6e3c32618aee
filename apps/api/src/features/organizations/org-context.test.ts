import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { getOrganization } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../testing.ts';
import { addKey, addMember, addOrganization, addPerson, type Person } from './testing.ts';

const apis = {} as Record<'strict' | 'warn', TestApi>;
interface Scene {
  orgId: string;
  otherOrgId: string;
  foreignOrgId: string;
  person: Person;
  /** An API key of this person in `orgId`. */
  key: string;
}
const scenes = {} as Record<'strict' | 'warn', Scene>;

beforeAll(async () => {
  for (const mode of ['strict', 'warn'] as const) {
    const api = await openTestApi({ ORG_CONTEXT_ENFORCEMENT: mode });
    const [one, two, foreign] = [await addOrganization(api), await addOrganization(api), await addOrganization(api)];
    await addMember(api, two.orgId, 'admin', one.owner);
    apis[mode] = api;
    const key = await addKey(api, one.orgId, one.owner, ['org:read']);
    scenes[mode] = { orgId: one.orgId, otherOrgId: two.orgId, foreignOrgId: foreign.orgId, person: one.owner, key };
  }
});

afterAll(async () => {
  for (const api of Object.values(apis)) await api.close();
});

/** What a client may send as X-Org-Id, and what is wrong with it (null: nothing). */
const HEADERS: [name: string, header: (scene: Scene) => string | string[] | undefined, reason: string | null][] = [
  ['the right id', ({ orgId }) => orgId, null],
  ['the right id in upper case', ({ orgId }) => orgId.toUpperCase(), null],
  ['no header', () => undefined, 'ORG_CONTEXT_REQUIRED'],
  ['an empty header', () => '', 'ORG_CONTEXT_REQUIRED'],
  ['the header twice', ({ orgId }) => [orgId, orgId], 'INVALID_ORG_CONTEXT'],
  ['the header twice with another org', ({ orgId, otherOrgId }) => [orgId, otherOrgId], 'INVALID_ORG_CONTEXT'],
  ['a comma list', ({ orgId, otherOrgId }) => `${orgId},${otherOrgId}`, 'INVALID_ORG_CONTEXT'],
  ['another org of the caller', ({ otherOrgId }) => otherOrgId, 'INVALID_ORG_CONTEXT'],
  ['an org of somebody else', ({ foreignOrgId }) => foreignOrgId, 'INVALID_ORG_CONTEXT'],
  ['an unknown org', () => newId(), 'INVALID_ORG_CONTEXT'],
  ['an org of somebody else in upper case', ({ foreignOrgId }) => foreignOrgId.toUpperCase(), 'INVALID_ORG_CONTEXT'],
  ['the right id with a space inside', ({ orgId }) => orgId.replace('-', ' -'), 'INVALID_ORG_CONTEXT'],
  ['no UUID', () => 'acme', 'INVALID_ORG_CONTEXT'],
  ['a UUID in braces', ({ orgId }) => `{${orgId}}`, 'INVALID_ORG_CONTEXT'],
  ['a very long header', () => 'a'.repeat(5000), 'INVALID_ORG_CONTEXT'],
];

const CREDENTIALS = ['access token', 'API key'] as const;

describe.each(['strict', 'warn'] as const)('T1: in %s mode', (mode) => {
  const cases = CREDENTIALS.flatMap((credential) =>
    HEADERS.map(([name, header, reason]) => [name, credential, header, reason] as const),
  );

  it.each(cases)('%s, by %s', async (_name, credential, header, reason) => {
    const scene = scenes[mode];
    const token = credential === 'API key' ? scene.key : scene.person.token;
    const sent = header(scene);
    const answer = await read(mode, { token }, scene.orgId, sent);
    const events = (['fallback', 'refused'] as const).flatMap((how) =>
      eventsOf(mode, answer.requestId, `org_context_header_${how}`),
    );
    if (reason === null || mode === 'warn') {
      expect(answer.status).toBe(200);
      expect(answer.body.organization.id).toBe(scene.orgId); // the route's org, never the header's
    } else {
      expect([answer.status, answer.body.code]).toEqual([400, reason]);
    }
    expect(answer.headers['x-org-context-warning']).toBe(mode === 'warn' ? (reason ?? undefined) : undefined);
    if (reason === null) return expect(events).toEqual([]);
    expect(events).toEqual([
      expect.objectContaining({
        event: mode === 'warn' ? 'org_context_header_fallback' : 'org_context_header_refused',
        reason,
        userId: scene.person.id,
        routeOrgId: scene.orgId,
        path: `/v1/orgs/${scene.orgId}`,
        method: 'GET',
      }),
    ]);
    expect(events[0]?.headerOrgId ?? '').toBe([sent ?? []].flat().join(', ').slice(0, 100));
  });

  it('refuses a stranger with the same words whether the organization exists or not, and logs it', async () => {
    const { orgId } = scenes[mode];
    const stranger = await addPerson(apis[mode]);
    const unknownId = newId();
    const [existing, unknown] = [
      await read(mode, stranger, orgId, orgId),
      await read(mode, stranger, unknownId, unknownId),
    ];
    for (const [answer, id] of [[existing, orgId] as const, [unknown, unknownId] as const]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'ORG_ACCESS_DENIED']);
      expect(eventsOf(mode, answer.requestId, 'org_context_access_denied')).toEqual([
        expect.objectContaining({ userId: stranger.id, orgId: id, path: `/v1/orgs/${id}`, method: 'GET' }),
      ]);
    }
    expect({ ...existing.body, requestId: '' }).toEqual({ ...unknown.body, requestId: '' });
  });

  it('checks membership also when the header names an organization of the caller', async () => {
    const { person, orgId, foreignOrgId } = scenes[mode];
    const answer = await read(mode, person, foreignOrgId, orgId);
    expect(answer.body.code).toBe(mode === 'strict' ? 'INVALID_ORG_CONTEXT' : 'ORG_ACCESS_DENIED');
    expect((await read(mode, person, foreignOrgId, foreignOrgId)).body.code).toBe('ORG_ACCESS_DENIED');
  });

  it('asks who the caller is before anything else', async () => {
    const { orgId } = scenes[mode];
    const answer = await read(mode, { token: 'no.such.token' }, orgId, undefined);
    expect([answer.status, answer.body.code]).toEqual([401, 'UNAUTHORIZED']);
  });
});

it('T1: two header lines on a real connection are refused, although each of them alone would do', async () => {
  const { orgId, person } = scenes.strict;
  const port = Number(new URL(await apis.strict.app.listen({ port: 0, host: '127.0.0.1' })).port);
  const socket = connect(port, '127.0.0.1');
  const header = `x-org-id: ${orgId}\r\n`;
  socket.write(
    `GET /v1/orgs/${orgId} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${person.token}\r\n${header}${header}\r\n`,
  );
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"code":"INVALID_ORG_CONTEXT"');
});

async function read(mode: 'strict' | 'warn', who: { token: string }, orgId: string, header?: string | string[]) {
  const response = await apis[mode].app.inject({
    method: 'GET',
    url: getOrganization.path.replace(':orgId', orgId),
    headers: { authorization: `Bearer ${who.token}`, ...(header !== undefined && { 'x-org-id': header }) },
  });
  const { statusCode: status, headers } = response;
  return { status, headers, body: response.json(), requestId: String(headers['x-request-id']) };
}

function eventsOf(mode: 'strict' | 'warn', requestId: string, event: string) {
  return apis[mode].logLines.filter((line) => line.event === event && line.requestId === requestId);
}
