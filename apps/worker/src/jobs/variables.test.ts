import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let echo: EchoServer;

beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  echo = await startEcho(({ path }, response) => {
    const isFailing = path.startsWith('/fails') && echo.callsTo(path).length <= (path === '/fails-twice' ? 2 : 1);
    response.statusCode = isFailing ? 503 : 200;
    response.end('{}');
  });
  await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});
afterAll(async () => {
  await platform.close();
  await echo.close();
});

async function set(name: string, value: unknown): Promise<void> {
  await platform.admin.pool.query(
    `INSERT INTO app.organization_variables (org_id, name, value) VALUES ($1, $2, $3)
     ON CONFLICT (org_id, name) DO UPDATE SET value = $3`,
    [platform.orgId, name, JSON.stringify(value)],
  );
}

const document = (nodes: object[]) => ({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
const transform = (id: string, value: unknown) => ({ id, type: 'transform', config: { value } });

test('$vars is read by plain paths and by JSONata alike, and a missing variable is no value', async () => {
  await set('region', { name: 'eu', hosts: ['a', 'b'] });
  await set('constructor', 'own');
  const run = await platform.run(
    document([
      transform('plain', ['{% $vars.region.hosts[1] %}', '{% $vars.nobody %}', '{% $vars.constructor %}']),
      transform('jsonata', '{% $uppercase($vars.region.name) & $string($exists($vars.toString)) %}'),
      transform('both', ['{% $steps.plain.output %}', '{% $steps.jsonata.output %}']),
    ]),
  );
  expect(await run.until()).toMatchObject({ status: 'succeeded', output: [['b', null, 'own'], 'EUfalse'] });
});

test('$vars holds the variables of the run’s own organization and of no other', async () => {
  await platform.admin.pool.query(
    `WITH other AS (INSERT INTO app.organizations (id, slug, name) VALUES (gen_random_uuid(), 'other', 'Other') RETURNING id)
     INSERT INTO app.organization_variables (org_id, name, value) SELECT id, 'theirs', '"secret"' FROM other`,
  );
  const run = await platform.run(document([transform('all', '{% $keys($vars) %}')]));
  const { output } = await run.until();
  expect(output).toEqual(expect.arrayContaining(['region']));
  expect(output).not.toContain('theirs');
});

test('a step sends the same input with every attempt, though the variable changed between them', async () => {
  await set('order', 'first');
  const retry = { maxAttempts: 2, backoffMs: 400, jitter: false };
  const config = { method: 'POST', url: `${echo.url}/fails-once`, body: { order: '{% $vars.order %}' } };
  const run = await platform.run(document([{ id: 'send', type: 'http.request', config, retry }]));
  await eventually(
    () => echo.callsTo('/fails-once').length === 1,
    () => 'the first attempt arrives',
  );
  await set('order', 'second');
  expect(await run.until()).toMatchObject({ status: 'succeeded', attemptCount: 2 });
  const bodies = echo.callsTo('/fails-once').map(({ body }) => JSON.parse(body));
  expect(bodies).toEqual([{ order: 'first' }, { order: 'first' }]);
});

test('a header that is not stored is evaluated again: time and chance are those of the first attempt, variables are not', async () => {
  await set('zone', 'first');
  const headers = {
    'X-Request-Id': '{% $random() %}',
    'X-Time': '{% $now() & $millis() %}',
    'X-Order': '{% $join($shuffle(["a", "b", "c", "d", "e", "f", "g", "h"])) %}',
    'X-Zone': '{% $vars.zone & "" %}',
  };
  const retry = { maxAttempts: 3, backoffMs: 400, factor: 1, jitter: false };
  const config = { method: 'POST', url: `${echo.url}/fails-twice`, headers };
  const run = await platform.run(document([{ id: 'send', type: 'http.request', config, retry }]));
  await eventually(
    () => echo.callsTo('/fails-twice').length === 1,
    () => 'the first attempt arrives',
  );
  await set('zone', 'second');
  expect(await run.until()).toMatchObject({ status: 'succeeded', attemptCount: 3, leaseToken: 3 });
  const calls = echo.callsTo('/fails-twice').map((call) => call.headers);
  for (const name of ['x-request-id', 'x-time', 'x-order'])
    expect(new Set(calls.map((call) => call[name])).size).toBe(1);
  expect(calls.map((call) => call['x-zone'])).toEqual(['first', 'second', 'second']);
  expect((await run.steps()).send).toMatchObject({ input: { headers: { 'X-Request-Id': '[hidden]' } } });
});

test('a value with a __proto__ key is data and changes no object', async () => {
  await platform.admin.pool.query(
    `INSERT INTO app.organization_variables (org_id, name, value) VALUES ($1, 'poisoned', '{"__proto__": {"polluted": 1}, "n": 2}')`,
    [platform.orgId],
  );
  const run = await platform.run(
    document([
      transform('plain', ['{% $vars.poisoned.polluted %}', '{% $vars.poisoned.n %}']),
      transform('jsonata', '{% ($x := {}; [$exists($x.polluted), $exists($vars.polluted), $vars.poisoned.n]) %}'),
      transform('both', ['{% $steps.plain.output %}', '{% $steps.jsonata.output %}']),
    ]),
  );
  expect((await run.until()).output).toEqual([
    [null, 2],
    [false, false, 2],
  ]);
  expect(
    JSON.stringify((await (await platform.run(document([transform('whole', '{% $vars.poisoned %}')]))).until()).output),
  ).toContain('"__proto__"');
});

test('a document without $vars never reads the table', async () => {
  await platform.admin.pool.query('REVOKE SELECT ON app.organization_variables FROM app_worker');
  const without = await platform.run(document([transform('a', '{% $run.workflowId & "$vars" %}')]));
  expect(await without.until()).toMatchObject({ status: 'succeeded' });
  const reading = await platform.run(document([transform('a', '{% $vars.region %}')]));
  expect(await reading.until()).toMatchObject({ status: 'failed', error: { code: 'INTERNAL' } });
});
