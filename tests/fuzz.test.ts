import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SAMPLE_BODIES } from '../apps/api/src/http/testing.ts';
import { openTestApi, type TestApi } from '../apps/api/src/testing.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { listOperations, type OpenApi, type Operation } from './fuzz/document.ts';
import { type Judge, openJudge } from './fuzz/judge.ts';
import { type Plan, planRequests } from './fuzz/requests.ts';
import { type Lesson, learn, mendCasts, openScene, renewCasts, type Scene } from './fuzz/scene.ts';
import { type Answer, connectTo, describe, fillPlan, injectInto, type Transport } from './fuzz/send.ts';
import { startWorkerOf } from './platform.ts';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const LEAST_PER_OPERATION = 100;
/** Requests that one operation gets in a round; between rounds the organizations are replaced. */
const PER_ROUND = 20;
/** Every tenth request goes over a real connection. */
const SOCKET_SHARE = 10;
const SIDE_BY_SIDE = 6;
const PROTOTYPE = JSON.stringify(Object.getOwnPropertyNames(Object.prototype).sort());

let api: TestApi;
let admin: pg.Pool;
let worker: { kill(signal: NodeJS.Signals): Promise<unknown> };
let operations: Operation[];
let document: OpenApi;
let judge: Judge;
let transports: { inject: Transport; socket: Transport };
let scene: Scene;

/** What the requests of one operation came to. */
interface Tally {
  sent: number;
  overSockets: number;
  good: number;
  statuses: Record<number, number>;
}
const tallies = new Map<string, Tally>();
const durations: number[] = [];

beforeAll(async () => {
  api = await openTestApi({ GITHUB_CLIENT_ID: 'fuzz', GITHUB_CLIENT_SECRET: 'fuzz', OAUTH_GITHUB_BASE_URL: CLOSED });
  admin = new pg.Pool({ connectionString: api.adminUrl, max: 2 });
  worker = await startWorkerOf({ ...api.deps.config, WORKER_DATABASE_URL: api.workerUrl });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  transports = {
    inject: injectInto(api.app),
    socket: connectTo((api.app.server.address() as AddressInfo).port),
  };
  document = (await api.app.inject('/v1/openapi.json')).json();
  operations = listOperations(document);
  judge = openJudge(document);
  scene = openScene(Object.values(SAMPLE_BODIES));
});

afterAll(async () => {
  await worker?.kill('SIGKILL');
  await admin?.end();
  await api?.close();
});

/** Nothing listens there, so no provider is ever reached. */
const CLOSED = 'http://127.0.0.1:1';

it('finds an answer that is not as declared', () => {
  const operation = operations.find(({ id }) => id === 'getMe') as Operation;
  const requestId = 'r';
  const failed = { code: 'UNAUTHORIZED', message: 'Sign in.', requestId };
  const base = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': requestId };
  const verdict = (status: number, body: unknown, headers: Record<string, string> = base, isOnRoute = true) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const concrete = { method: 'GET', url: '/', headers: {}, body: undefined, source: {}, place: {}, isOnRoute };
    return judge(operation, concrete, { status, headers, text, durationMs: 0 });
  };
  expect(verdict(401, failed)).toBeUndefined();
  expect(verdict(404, failed, base, false)).toBeUndefined();
  expect(verdict(404, failed)).toMatch('does not declare 404');
  expect(verdict(500, failed)).toMatch('does not declare 500');
  expect(verdict(503, { ...failed, code: 'DATABASE_UNAVAILABLE' })).toBe('it answered 503');
  expect(verdict(200, { user: {}, memberships: [] })).toMatch('does not match the document');
  expect(verdict(401, { code: 'X', message: 'Y' })).toMatch('does not match the document');
  expect(verdict(401, '{')).toBe('the body is no JSON');
  expect(verdict(401, failed, { ...base, 'x-request-id': 'other' })).toMatch('differ');
  expect(verdict(401, failed, { 'content-type': 'application/json; charset=utf-8' })).toMatch('no x-request-id');
  expect(verdict(401, 'sorry', { ...base, 'content-type': 'text/plain' })).toMatch('content type text/plain');
  expect(verdict(401, { ...failed, message: 'at run (file.ts:3)' })).toMatch('inside');
});

it(
  'answers whatever is sent to an operation as its document says, and never with a 5xx (T6, T7, T8)',
  async () => {
    const planners = operations.map((operation) => ({
      operation,
      plans: planRequests(document, operation, SAMPLE_BODIES[operation.id] ? [SAMPLE_BODIES[operation.id]] : []),
    }));
    const rounds = Math.ceil(Math.max(REQUESTS / operations.length, LEAST_PER_OPERATION) / PER_ROUND);
    for (let round = 0; round < rounds; round++) {
      await renewCasts(scene, api, admin);
      const lessons: Lesson[][] = await sideBySide(planners, async ({ operation, plans }, index) =>
        fuzzOperation(operation, plans, { seed: SEED + round * operations.length + index, round }),
      );
      // Only now, so that what a request is made of depends on the round and not on who was faster within it.
      learn(scene, lessons.flat());
      api.logLines.length = 0;
    }
    expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype).sort())).toBe(PROTOTYPE);
    report();
  },
  120_000 + REQUESTS * 30,
);

/** Throws with the smallest request found that is answered wrongly. */
async function fuzzOperation(
  operation: Operation,
  plans: fc.Arbitrary<Plan>,
  { seed, round }: { seed: number; round: number },
): Promise<Lesson[]> {
  await mendCasts(scene, api, admin);
  const lessons: Lesson[] = [];
  const tally = tallies.get(operation.id) ?? { sent: 0, overSockets: 0, good: 0, statuses: {} };
  tallies.set(operation.id, tally);
  const property = fc.asyncProperty(plans, async (plan) => {
    const isOverSocket = tally.sent % SOCKET_SHARE === 0;
    tally.sent++;
    if (isOverSocket) tally.overSockets++;
    const { status, lesson } = await fuzzOnce(plan, isOverSocket ? transports.socket : transports.inject);
    tally.statuses[status] = (tally.statuses[status] ?? 0) + 1;
    if (status < 400) tally.good++;
    if (lesson) lessons.push(lesson);
  });
  const outcome = await fc.check(property, { seed, numRuns: PER_ROUND, interruptAfterTimeLimit: 60_000 });
  if (outcome.failed)
    throw new Error(
      `FUZZ_SEED=${SEED}, round ${round}, ${operation.id}, ${outcome.numShrinks} times made smaller:\n${outcome.errorInstance instanceof Error ? outcome.errorInstance.message : 'interrupted'}`,
    );
  return lessons;
}

/** Sends one request and judges its answer; what a good one taught comes back. */
async function fuzzOnce(plan: Plan, send: Transport): Promise<{ status: number; lesson?: Lesson }> {
  const concrete = fillPlan(plan, scene);
  let answer: Answer;
  try {
    answer = await send(concrete);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n    ${describe(concrete)}`);
  }
  durations.push(answer.durationMs);
  const problem = judge(plan.operation, concrete, answer);
  if (problem !== undefined) {
    const id = answer.headers['x-request-id'];
    const logged = api.logLines.filter(({ requestId }) => requestId === id).map((line) => JSON.stringify(line));
    throw new Error(
      [
        problem,
        `    ${describe(concrete)}`,
        `  answered ${answer.status} ${JSON.stringify(answer.headers)}`,
        `    ${answer.text.slice(0, 1_500)}`,
        ...logged.map((line) => `  logged ${line}`),
      ].join('\n'),
    );
  }
  const { status, headers, text } = answer;
  const { source, place, isOnRoute } = concrete;
  if (status === 404 && isOnRoute) return { status, lesson: { source, place, answer: null } };
  if (status >= 400 || !String(headers['content-type']).startsWith('application/json')) return { status };
  const cookies = [headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0] ?? '');
  return { status, lesson: { source, place, answer: { body: JSON.parse(text), cookies } } };
}

function report(): void {
  const all = [...tallies.values()];
  const sum = (pick: (tally: Tally) => number) => all.reduce((total, tally) => total + pick(tally), 0);
  const sent = sum((tally) => tally.sent);
  const least = Math.min(...all.map((tally) => tally.sent));
  expect(all).toHaveLength(operations.length);
  expect(least).toBeGreaterThanOrEqual(LEAST_PER_OPERATION);
  expect(sent).toBeGreaterThanOrEqual(REQUESTS);
  expect(sum((tally) => tally.overSockets)).toBeGreaterThanOrEqual(REQUESTS / SOCKET_SHARE);
  // A run in which everything was refused would prove nothing.
  expect(sum((tally) => tally.good) / sent).toBeGreaterThan(0.1);
  if (process.env.FUZZ_SHOW) {
    const lines = [...tallies].map(([id, { statuses }]) => `${id} ${JSON.stringify(statuses)}\n`);
    process.stdout.write(`${lines.join('')}FUZZ_SEED=${SEED}\n`);
  }
  const p99 = durations.toSorted((a, b) => a - b)[Math.floor(durations.length * 0.99)] ?? 0;
  reportFigure(
    'OpenAPI fuzz',
    `${sent} requests over ${operations.length} operations (each >= ${least}), 0 x 5xx, 0 off-schema, p99 ${p99.toFixed(0)} ms`,
  );
}

async function sideBySide<T, R>(items: T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  await Promise.all(
    Array.from({ length: SIDE_BY_SIDE }, async () => {
      for (const [index, item] of queue) results[index] = await work(item, index);
    }),
  );
  return results;
}
