import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../packages/queue/src/testing.ts';
import { newId } from '../packages/shared/src/ids.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { type Api, preparePlatform, type TestPlatform } from './platform.ts';

/** T1: docs/runbooks/org-context-rollout.md, rehearsed from the first restart to the roll back, with its own commands. */

const run = promisify(execFile);
const root = new URL('..', import.meta.url);
const PRODUCTION = { NODE_ENV: 'production' };
const DAY_MS = 86_400_000;

let runbook: string;
let platform: TestPlatform;
let folder: string;
/** The two instances; restarting replaces one. What those before them logged is kept. */
let instances: [Api, Api];
const retired: Api[] = [];
let person: Person;
let stranger: Person;
let orgId: string;
let otherOrgId: string;
const restartsMs: number[] = [];

interface Person {
  token: string;
  id: string;
}

beforeAll(async () => {
  runbook = await readFile(new URL('docs/runbooks/org-context-rollout.md', root), 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'millrace-rollout-'));
  platform = await preparePlatform({
    // Asked before any provider is: nothing listens there.
    GOOGLE_CLIENT_ID: 'id',
    GOOGLE_CLIENT_SECRET: 'secret',
    OAUTH_GOOGLE_ISSUER: 'http://127.0.0.1:9',
  });
  instances = await Promise.all([platform.startApi(PRODUCTION), platform.startApi(PRODUCTION)]);
  [person, stranger] = await Promise.all([signUp('ada'), signUp('eve')]);
  [orgId, otherOrgId] = [await createOrg('one'), await createOrg('two')];
});

afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('T1: production does not start in warn mode without the acknowledgement, and says what is missing', async () => {
  const settings = { ...PRODUCTION, ORG_CONTEXT_ENFORCEMENT: 'warn' };
  await expect(platform.startApi(settings)).rejects.toThrow(/ORG_CONTEXT_ENFORCEMENT_ACK=1/);
});

it('observe: old clients get answers with a warning, and every event has all its fields', async () => {
  await restart(0, envOf('1. Observe'));
  await restart(1, envOf('1. Observe'));
  for (const [instance, header, reason] of [
    [0, undefined, 'ORG_CONTEXT_REQUIRED'],
    [1, undefined, 'ORG_CONTEXT_REQUIRED'],
    [0, otherOrgId, 'INVALID_ORG_CONTEXT'],
    [1, 'acme', 'INVALID_ORG_CONTEXT'],
  ] as const) {
    const answer = await readOrg(instance, person, header);
    expect([answer.status, answer.headers.get('x-org-context-warning')]).toEqual([200, reason]);
    expect(await eventOf(instance, answer)).toEqual({
      event: 'org_context_header_fallback',
      requestId: answer.headers.get('x-request-id'),
      reason,
      userId: person.id,
      routeOrgId: orgId,
      headerOrgId: header ?? null,
      path: `/v1/orgs/${orgId}`,
      method: 'GET',
    });
  }
  const denied = await readOrg(1, stranger, orgId);
  expect([denied.status, await codeOf(denied)]).toEqual([403, 'ORG_ACCESS_DENIED']);
  expect(await eventOf(1, denied)).toEqual({
    event: 'org_context_access_denied',
    requestId: denied.headers.get('x-request-id'),
    userId: stranger.id,
    orgId,
    path: `/v1/orgs/${orgId}`,
    method: 'GET',
  });
  const right = await readOrg(0, person, orgId);
  expect([right.status, right.headers.get('x-org-context-warning')]).toEqual([200, null]);
});

it('observe: the queries name who must change, what is mixed up, and who is where they do not belong', async () => {
  const [clients, mixedUp, denied] = await runBlocks('1. Observe', { LOG: await writeLog() });
  expect(clients).toEqual([
    `2\tORG_CONTEXT_REQUIRED\tGET\t/v1/orgs/:id\t${person.id}`,
    `2\tINVALID_ORG_CONTEXT\tGET\t/v1/orgs/:id\t${person.id}`,
  ]);
  expect(mixedUp?.toSorted()).toEqual([
    `1\tINVALID_ORG_CONTEXT\t${orgId}\t${otherOrgId}`,
    `1\tINVALID_ORG_CONTEXT\t${orgId}\tacme`,
    `2\tORG_CONTEXT_REQUIRED\t${orgId}\t-`,
  ]);
  expect(denied).toEqual([`1\t${stranger.id}\t${orgId}`]);
});

it('thresholds: stop while clients lack the header or refusals have risen, go after a day without and a usual week', async () => {
  const today = await writeLog();
  expect(await runBlocks('2. Thresholds', { LOG: today })).toEqual([
    ['stop: 4 calls without a correct header', 'stop: 1 refusals, 0 in the week before'],
  ]);
  // A day and more goes by without such a call: the same lines, that much older.
  const older = await writeLog(-1.1 * DAY_MS);
  expect(await runBlocks('2. Thresholds', { LOG: older })).toEqual([['go', 'go']]);
  // One refusal today is usual when there were four in the week before, and not when there were three.
  const days = await Promise.all([2, 3, 4, 5].map((age) => writeLog(-age * DAY_MS)));
  const usual = await runBlocks('2. Thresholds', { LOG: [today, ...days].join(' ') });
  expect(usual[0]?.[1]).toBe('go');
  const risen = await runBlocks('2. Thresholds', { LOG: [today, ...days.slice(1)].join(' ') });
  expect(risen[0]?.[1]).toBe('stop: 1 refusals, 3 in the week before');
});

it('switch: one instance refuses and tells whom, the other still warns, and a right header works on both', async () => {
  await restart(0, envOf('3. Switch'));
  expect(await runBlocks('3. Switch', { LOG: await writeLog() })).toEqual([[]]);
  const [missing, wrong] = [await readOrg(0, person), await readOrg(0, person, otherOrgId)];
  expect([missing.status, await codeOf(missing)]).toEqual([400, 'ORG_CONTEXT_REQUIRED']);
  expect([wrong.status, await codeOf(wrong)]).toEqual([400, 'INVALID_ORG_CONTEXT']);
  expect((await readOrg(1, person)).status).toBe(200);
  for (const instance of [0, 1] as const) expect((await readOrg(instance, person, orgId)).status).toBe(200);
  await eventOf(0, wrong);
  expect((await runBlocks('3. Switch', { LOG: await writeLog() }))[0]?.toSorted()).toEqual([
    `1\tINVALID_ORG_CONTEXT\tGET\t/v1/orgs/:id\t${person.id}`,
    `1\tORG_CONTEXT_REQUIRED\tGET\t/v1/orgs/:id\t${person.id}`,
  ]);
  await restart(1, {}); // the variables removed, which is the default
});

it('verify: the commands print what the runbook says, on each instance', async () => {
  expect(expectedOf('4. Verify')).toEqual(['400', '200']);
  for (const instance of [0, 1] as const) expect(await verify(instance)).toEqual(expectedOf('4. Verify'));
});

it('roll back: one restart each brings old clients back, and nothing else has changed', async () => {
  const before = await (await readOrg(0, person, orgId)).json();
  await restart(0, envOf('1. Observe'));
  await restart(1, envOf('1. Observe'));
  for (const instance of [0, 1] as const) {
    expect(await verify(instance)).toEqual(['200', '200']);
    expect(await (await readOrg(instance, person)).json()).toEqual(before);
  }
  expect((await readOrg(0, stranger)).status).toBe(403);
  const longest = Math.max(...restartsMs);
  reportFigure(
    'Org-context roll-out: restarting an instance',
    `${restartsMs.length} times, at most ${(longest / 1000).toFixed(1)} s`,
  );
});

it('other events: refused invitations and failed sign-ins by a provider are logged with all fields and no secret', async () => {
  const token = 'invitation-token-that-nobody-ever-was-sent-';
  const accept = await request(0, `/v1/invitations/${token}/accept`, { method: 'POST', headers: bearer(person) });
  expect(accept.status).toBe(404);
  expect(await eventOf(0, accept)).toEqual({
    event: 'invitation_accept_failed',
    requestId: accept.headers.get('x-request-id'),
    tokenPrefix: token.slice(0, 8),
    reasonCode: 'NOT_FOUND',
    userId: person.id,
    path: '/v1/invitations/:token/accept',
  });
  const callback = await request(0, '/v1/auth/oauth/google/callback?code=secret-code&state=secret-state&mode=json');
  expect(callback.status).toBeGreaterThanOrEqual(400);
  const failed = await eventOf(0, callback);
  expect(failed).toEqual({
    event: 'oauth_callback_failed',
    requestId: callback.headers.get('x-request-id'),
    provider: 'google',
    reasonCode: expect.stringMatching(/^\w+$/),
    path: '/v1/auth/oauth/google/callback',
  });
  expect(await runBlocks('Other events worth an alert', { LOG: await writeLog() })).toEqual([
    [`1\tNOT_FOUND\t${token.slice(0, 8)}\t${person.id}`, `1\tgoogle\t${failed.reasonCode}`],
  ]);
  const everything = JSON.stringify([...retired, ...instances].map(({ events }) => events));
  for (const secret of [token, 'secret-code', 'secret-state', person.token]) expect(everything).not.toContain(secret);
});

/** One instance goes and one with these settings comes; the other one serves meanwhile. */
async function restart(index: 0 | 1, settings: Record<string, string>): Promise<void> {
  const started = Date.now();
  retired.push(instances[index]);
  await instances[index].kill('SIGTERM');
  expect((await readOrg(index === 0 ? 1 : 0, person, orgId)).status).toBe(200);
  instances[index] = await platform.startApi({ ...PRODUCTION, ...settings });
  restartsMs.push(Date.now() - started);
}

/** The text of one section of the runbook. */
function section(title: string): string {
  const text = runbook.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (text === undefined) throw new Error(`the runbook has no section "${title}"`);
  return text;
}

function blocksOf(title: string, language: string): string[] {
  return [...section(title).matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, code]) => code ?? '',
  );
}

/** The settings that a section tells to set. */
function envOf(title: string): Record<string, string> {
  const [block] = blocksOf(title, 'env');
  if (!block) throw new Error(`the runbook sets nothing in "${title}"`);
  return parseEnv(block) as Record<string, string>;
}

/** What the commands of a section print, by its own comments behind them. */
function expectedOf(title: string): string[] {
  return blocksOf(title, 'sh').flatMap((block) => [...block.matchAll(/# (\d+)$/gm)].map(([, status]) => status ?? ''));
}

/** Runs each block of commands as it stands there; answers the lines it printed. No command but Node is within reach. */
async function runBlocks(title: string, env: Record<string, string>): Promise<string[][]> {
  const outputs: string[][] = [];
  for (const block of blocksOf(title, 'sh')) {
    const nodeOnly = join(process.execPath, '..');
    const { stdout } = await run('/bin/sh', ['-c', block], { cwd: root, env: { PATH: nodeOnly, ...env } });
    outputs.push(stdout.split('\n').filter(Boolean));
  }
  return outputs;
}

async function verify(index: 0 | 1): Promise<string[]> {
  const env = { API: instances[index].url, ORG: orgId, TOKEN: person.token };
  return (await runBlocks('4. Verify', env)).flat();
}

let logsWritten = 0;
/** Everything logged so far, by all instances there were, as a file whose times are shifted. */
async function writeLog(shiftMs = 0): Promise<string> {
  const lines = [...retired, ...instances]
    .flatMap(({ events }) => events)
    .map((line) => ({ ...line, time: new Date(Date.parse(String(line.time)) + shiftMs).toISOString() }));
  logsWritten += 1;
  const file = join(folder, `api-${logsWritten}.log`);
  await writeFile(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\nnot a log line\n`);
  return file;
}

/** The one event of a request, without what every log line has. */
async function eventOf(index: 0 | 1, answer: Response): Promise<Record<string, unknown>> {
  const requestId = answer.headers.get('x-request-id');
  const find = () => instances[index].events.filter((line) => line.requestId === requestId);
  await eventually('the request to be logged', () => find().length > 0);
  const [found, ...others] = find();
  expect(others).toEqual([]);
  const { level, time, program, msg, ...fields } = found as Record<string, unknown>;
  expect([typeof level, program, msg]).toEqual(['string', 'api', fields.event]);
  expect(Date.parse(String(time))).not.toBeNaN();
  return fields;
}

function readOrg(index: 0 | 1, who: Person, header?: string): Promise<Response> {
  return request(index, `/v1/orgs/${orgId}`, { headers: { ...bearer(who), ...(header && { 'x-org-id': header }) } });
}

function request(index: 0 | 1, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${instances[index].url}${path}`, { ...init, redirect: 'manual' });
}

function bearer({ token }: Person) {
  return { authorization: `Bearer ${token}` };
}

async function signUp(name: string): Promise<Person> {
  const body = { email: `${name}-${newId()}@example.com`, password: `a long ${newId()} password` };
  const { session } = await create('/v1/auth/signup', body);
  return { token: session.token, id: session.userId };
}

async function createOrg(name: string): Promise<string> {
  const { organization } = await create('/v1/orgs', { name, slug: `${name}-${newId()}` }, bearer(person));
  return organization.id;
}

async function codeOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { code: string }).code;
}

interface Created {
  session: { token: string; userId: string };
  organization: { id: string };
}

async function create(path: string, body: object, headers: Record<string, string> = {}): Promise<Created> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  const response = await request(0, path, init);
  expect(response.status).toBe(201);
  return (await response.json()) as Created;
}
