import { putHookSecret, rotateHook } from '@millrace/shared/contracts/hooks';
import { createRun } from '@millrace/shared/contracts/runs';
import {
  deleteWorkflow,
  disableWorkflow,
  enableWorkflow,
  getWorkflow,
  publishWorkflow,
  updateWorkflow,
} from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { queryAsAdmin } from '../organizations/testing.ts';
import { deliver, onTestServer, publishHook, runsOf, signAs, type TestHook } from './testing.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const SCHEMES = ['standard-webhooks', 'stripe', 'slack', 'github', 'hmac', 'basic'] as const;
const TIMED = ['standard-webhooks', 'stripe', 'slack'] as const;
const nowSec = () => Math.floor(Date.now() / 1000);

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.close();
});

const ofHook = ({ owner, orgId, workflowId }: TestHook) => ({ token: owner.token, params: { orgId, workflowId } });
const send = (hook: TestHook, body: string, headers: Record<string, string> = {}) =>
  deliver(hook.url, { body, headers: { ...JSON_TYPE, ...headers } });

describe('a request to a webhook', () => {
  it('is accepted and becomes one run that sees it, without the headers that carry credentials', async () => {
    const hook = await publishHook(api);
    const { status, body } = await deliver(`${hook.url}?a=1&b=2&b=3`, {
      body: '{"order":{"n":1}}',
      headers: {
        ...JSON_TYPE,
        'X-Shop': 'north',
        authorization: 'Bearer secret-canary',
        cookie: 'session=secret-canary',
        'x-api-key': 'secret-canary',
        'x-gitlab-token': 'secret-canary',
      },
    });
    expect([status, body]).toEqual([202, { deliveryId: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
    const [run, ...others] = await runsOf(api, hook);
    expect(others).toEqual([]);
    expect(run).toMatchObject({
      trigger_type: 'trigger.webhook',
      status: 'queued',
      version: 1,
      requested_by_user_id: null,
      input: {
        method: 'POST',
        query: { a: '1', b: ['2', '3'] },
        body: { order: { n: 1 } },
        headers: { 'x-shop': 'north', 'content-type': 'application/json' },
      },
    });
    expect(JSON.stringify(run) + JSON.stringify(api.logLines)).not.toContain('secret-canary');
    expect(api.logLines).toContainEqual(
      expect.objectContaining({
        event: 'workflow_run_enqueued',
        userId: null,
        orgId: hook.orgId,
        workflowId: hook.workflowId,
        runId: run?.id,
      }),
    );
  });

  it.each([
    ['application/x-www-form-urlencoded', 'a=1&a=2&b=%20x', { body: { a: ['1', '2'], b: ' x' } }],
    ['text/plain', 'hello', { body: 'hello' }],
    ['application/cloudevents+json; charset=utf-8', '[1]', { body: [1] }],
    ['application/json', 'null', { body: null }],
    ['', '{"n":1}', { body: '{"n":1}' }],
    ['multipart/form-data; boundary=x', '--x--', { body: '--x--' }],
    ['application/xml', '<a/>', { body: '<a/>' }],
    ['application/octet-stream', Buffer.from([0xff, 0, 1]), { body: null, rawBody: '/wAB' }],
    ['application/json', Buffer.from([0x1f, 0x8b, 0xff]), { body: null, rawBody: 'H4v/' }],
    ['text/plain', 'a\u0000b', { body: null, rawBody: 'YQBi' }],
  ])('may be of any type: %s, %s', async (type, body, seen) => {
    const hook = await publishHook(api);
    const { status } = await deliver(hook.url, {
      body: Buffer.from(body),
      headers: type ? { 'content-type': type } : {},
    });
    expect(status).toBe(202);
    const [run] = await runsOf(api, hook);
    const { headers, method, query, ...rest } = run?.input ?? {};
    expect([rest, method, query]).toEqual([seen, 'POST', {}]);
  });

  it('T7, T8: is refused when its JSON is none, reaches for a prototype or cannot be stored, and leaves nothing', async () => {
    const hook = await publishHook(api);
    const bodies = [
      '{',
      '{"__proto__":{"a":1}}',
      '{"constructor":{"prototype":{}}}',
      '"\\u0000"',
      '1e999',
      '['.repeat(100),
    ];
    for (const body of bodies) expect((await send(hook, body)).status, body).toBe(400);
    expect((await deliver(`${hook.url}?a=%00`, { body: '' })).status).toBe(400);
    expect((await deliver(hook.url, { body: 'x', headers: { 'content-type': 'no media type' } })).status).toBe(415);
    expect((await deliver(hook.url, { body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
    expect((await deliver(hook.url, { body: 'x'.repeat(1024 * 1024) })).status).toBe(202);
    expect((await deliver(`${hook.url}?__proto__=1&a=2`, { headers: { __proto__: 'x', 'x-a': 'b' } })).status).toBe(
      202,
    );
    const runs = await runsOf(api, hook);
    expect(runs).toHaveLength(2);
    expect(runs[1]?.input.query).toEqual({ a: '2' });
  });

  it('is answered 405 with the methods its trigger takes for any other', async () => {
    const hook = await publishHook(api, { methods: ['GET', 'PUT'] });
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      const { status, headers, body } = await deliver(hook.url, { method });
      expect([status, headers.get('allow'), body.code]).toEqual([405, 'GET, PUT', 'METHOD_NOT_ALLOWED']);
    }
    expect((await fetch(hook.url, { method: 'HEAD' })).status).toBe(405);
    expect((await deliver(`${hook.url}?q=1`, { method: 'GET' })).status).toBe(202);
    expect((await deliver(hook.url, { method: 'PUT', body: 'x' })).status).toBe(202);
    expect((await runsOf(api, hook)).map(({ input }) => input.method)).toEqual(['GET', 'PUT']);
  });

  it('is answered 404 for a token that nobody has, whatever it looks like, within the limit for guesses', async () => {
    const hook = await publishHook(api);
    const tokens = ['x', 'x'.repeat(43), `${hook.url.split('/').at(-1)}x`, '%00', newId()];
    for (const token of tokens) {
      const { status, headers, body } = await deliver(hook.url.replace(/[^/]+$/, token));
      expect([status, body.code], token).toEqual([404, 'NOT_FOUND']);
      expect(headers.get('ratelimit-limit')).toBe(String(api.deps.config.RATE_LIMIT_LINK_PER_MIN));
    }
  });
});

describe('a workflow with a webhook', () => {
  it('has an address while its published version has the trigger, shown again and changed by nothing but rotating', async () => {
    const hook = await publishHook(api);
    const first = (await call(api, getWorkflow, ofHook(hook))).body.workflow;
    expect(first.hookUrl).toMatch(/^http:\/\/localhost:3000\/v1\/hooks\/[A-Za-z0-9_-]{43}$/);
    await call(api, publishWorkflow, ofHook(hook));
    expect((await call(api, getWorkflow, ofHook(hook))).body.workflow.hookUrl).toBe(first.hookUrl);
    const dsl = { ...first.dsl, trigger: { type: 'trigger.manual' } };
    const saved = await call(api, updateWorkflow, { ...ofHook(hook), body: { dsl, revision: first.revision } });
    expect(saved.body.workflow.hookUrl).toBe(first.hookUrl); // a draft changes nothing
    const manual = await call(api, publishWorkflow, ofHook(hook));
    expect(manual.body.workflow.hookUrl).toBeNull();
    expect((await send(hook, '{}')).status).toBe(409);
    const { revision } = saved.body.workflow;
    await call(api, updateWorkflow, { ...ofHook(hook), body: { dsl: first.dsl, revision } });
    expect((await call(api, publishWorkflow, ofHook(hook))).body.workflow.hookUrl).toBe(first.hookUrl);
    expect((await send(hook, '{}')).status).toBe(202);
  });

  it('W2: stores the hash of its token only', async () => {
    const hook = await publishHook(api);
    const token = hook.url.split('/').at(-1) ?? '';
    const rows = await queryAsAdmin<{ text: string }>(
      api,
      `SELECT h::text || encode(token_hash, 'escape') AS text FROM app.workflow_hooks h WHERE workflow_id = $1`,
      [hook.workflowId],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.text).not.toContain(token);
  });

  it('takes requests at its new address only once it was rotated', async () => {
    const hook = await publishHook(api);
    const { status, body } = await call(api, rotateHook, ofHook(hook));
    const url = onTestServer(api, body.workflow.hookUrl ?? '');
    expect([status, url === hook.url]).toEqual([200, false]);
    expect([(await deliver(hook.url)).status, (await deliver(url)).status]).toEqual([404, 202]);
    const again = await Promise.all([call(api, rotateHook, ofHook(hook)), call(api, rotateHook, ofHook(hook))]);
    const urls = again.map((answer) => answer.body.workflow.hookUrl);
    expect(new Set([...urls, body.workflow.hookUrl]).size).toBe(3);
  });

  it('answers 409 while it is disabled and leaves nothing behind', async () => {
    const hook = await publishHook(api);
    await call(api, disableWorkflow, ofHook(hook));
    const refused = await send(hook, '{}');
    expect([refused.status, refused.body.code]).toEqual([409, 'CONFLICT']);
    await call(api, enableWorkflow, ofHook(hook));
    expect((await send(hook, '{}')).status).toBe(202);
    expect(await runsOf(api, hook)).toHaveLength(1);
  });

  it('cannot be deleted while a request that was accepted waits for its run', async () => {
    const hook = await publishHook(api);
    await queryAsAdmin(
      api,
      `INSERT INTO app.hook_deliveries (org_id, id, workflow_id, version, run_id, input, max_attempts)
       VALUES ($1, gen_random_uuid(), $2, 1, gen_random_uuid(), '{}', 1)`,
      [hook.orgId, hook.workflowId],
    );
    expect((await call(api, deleteWorkflow, ofHook(hook))).status).toBe(409);
    await queryAsAdmin(api, 'DELETE FROM app.hook_deliveries WHERE workflow_id = $1', [hook.workflowId]);
    expect((await call(api, deleteWorkflow, ofHook(hook))).status).toBe(200);
    expect((await send(hook, '{}')).status).toBe(404);
  });

  it('can still be run by hand', async () => {
    const hook = await publishHook(api);
    const { status, body } = await call(api, createRun, { ...ofHook(hook), body: { input: { body: 1 } } });
    expect([status, body.run.triggerType, body.run.requestedByUserId]).toEqual([201, 'trigger.manual', hook.owner.id]);
  });

  it('shows no address that another AUTH_TOKEN_SECRET made, until it is published or rotated anew', async () => {
    const hook = await publishHook(api);
    const deps = await openDeps({ ...api.deps.config, AUTH_TOKEN_SECRET: 'y'.repeat(32) }, api.deps.log);
    const changed = { ...api, deps, app: await buildApp(deps) };
    expect((await call(changed, getWorkflow, ofHook(hook))).body.workflow.hookUrl).toBeNull();
    expect((await call(changed, publishWorkflow, ofHook(hook))).body.workflow.hookUrl).toMatch(/\/v1\/hooks\//);
    await changed.app.close();
    await closeDeps(deps);
  });
});

describe.each(SCHEMES)('signed as %s', (scheme) => {
  const body = `{"id":"evt_1","event_id":"Ev1"}`;

  it('W1: is accepted, and sent again makes no second run and gets the same answer', async () => {
    const hook = await publishHook(api, { signature: { scheme } });
    const headers = signAs(scheme, hook.secret, body);
    const [first, again] = [await send(hook, body, headers), await send(hook, body, headers)];
    expect([first.status, again.status, again.body]).toEqual([202, 202, first.body]);
    const runs = await runsOf(api, hook);
    expect(runs).toHaveLength(1);
    const proof = Object.entries(headers).filter(([name]) => /signature|authorization/.test(name));
    for (const [name, value] of proof) {
      expect(runs[0]?.input.headers).not.toHaveProperty(name);
      expect(JSON.stringify(runs)).not.toContain(value);
    }
  });

  it('W1: is refused with one answer when it is signed wrong, not at all, or no secret is set; the log says why', async () => {
    const hook = await publishHook(api, { signature: { scheme } });
    const wrong = signAs(scheme, `${hook.secret.slice(0, -4)}AAAA`, body);
    const answers = [await send(hook, body, wrong), await send(hook, body)];
    await queryAsAdmin(api, 'UPDATE app.workflow_hooks SET secret_sealed = NULL WHERE workflow_id = $1', [
      hook.workflowId,
    ]);
    answers.push(await send(hook, body, signAs(scheme, hook.secret, body)));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.body.code} ${answer.body.message}`)).size).toBe(
      1,
    );
    expect(answers[0]?.status).toBe(401);
    const reasons = api.logLines.filter(
      ({ event, workflowId }) => event === 'hook_refused' && workflowId === hook.workflowId,
    );
    expect(reasons.map(({ reasonCode }) => reasonCode)).toEqual(['wrong_signature', 'no_signature', 'no_secret']);
    expect(await runsOf(api, hook)).toEqual([]);
  });

  it('W2: is refused with the secret of another workflow, also when its sealed form is copied', async () => {
    const [mine, theirs] = [
      await publishHook(api, { signature: { scheme } }),
      await publishHook(api, { signature: { scheme } }),
    ];
    expect((await send(mine, body, signAs(scheme, theirs.secret, body))).status).toBe(401);
    await queryAsAdmin(
      api,
      `UPDATE app.workflow_hooks SET secret_sealed = (SELECT secret_sealed FROM app.workflow_hooks WHERE workflow_id = $2)
       WHERE workflow_id = $1`,
      [mine.workflowId, theirs.workflowId],
    );
    expect((await send(mine, body, signAs(scheme, theirs.secret, body))).status).toBe(401);
  });
});

describe.each(TIMED)('signed as %s', (scheme) => {
  const body = '{}';

  it('W1: is refused when it is too old or too new for the tolerance, also when it was accepted before', async () => {
    const hook = await publishHook(api, { signature: { scheme, toleranceSec: 60 } });
    for (const at of [nowSec() - 70, nowSec() + 70])
      expect((await send(hook, body, signAs(scheme, hook.secret, body, { at }))).status).toBe(401);
    expect(await runsOf(api, hook)).toEqual([]);
    const strict = await publishHook(api, { signature: { scheme, toleranceSec: 1 } });
    const headers = signAs(scheme, strict.secret, body, { at: nowSec() + 1 });
    expect((await send(strict, body, headers)).status).toBe(202);
    await expect
      .poll(async () => (await send(strict, body, headers)).status, { timeout: 10_000, interval: 200 })
      .toBe(401);
    expect(await runsOf(api, strict)).toHaveLength(1);
  });

  it('is known again whatever unsigned headers a replay carries', async () => {
    const hook = await publishHook(api, { signature: { scheme } });
    const headers = signAs(scheme, hook.secret, body);
    const first = await send(hook, body, headers);
    for (const name of [
      'idempotency-key',
      'x-github-delivery',
      ...(scheme === 'standard-webhooks' ? [] : ['webhook-id']),
    ])
      expect((await send(hook, body, { ...headers, [name]: newId() })).body).toEqual(first.body);
    expect(await runsOf(api, hook)).toHaveLength(1);
  });
});

it('T10: the header that a trigger names for its proof is not shown to the run either', async () => {
  const hook = await publishHook(api, { signature: { scheme: 'hmac', header: 'X-Shop-Hmac' } });
  const { 'x-signature': proof = '' } = signAs('hmac', hook.secret, '{}');
  expect((await send(hook, '{}', { 'X-Shop-Hmac': proof })).status).toBe(202);
  expect(JSON.stringify(await runsOf(api, hook))).not.toMatch(/x-shop-hmac/i);
});

it('a delivery that Stripe or Slack signs anew is known by the id in its body', async () => {
  for (const [scheme, body] of [['stripe', '{"id":"evt_9"}'] as const, ['slack', '{"event_id":"Ev9"}'] as const]) {
    const hook = await publishHook(api, { signature: { scheme } });
    const [first, again] = [
      await send(hook, body, signAs(scheme, hook.secret, body, { at: nowSec() - 60 })),
      await send(hook, body, signAs(scheme, hook.secret, body)),
    ];
    expect([first.status, again.body]).toEqual([202, first.body]);
    expect(await runsOf(api, hook)).toHaveLength(1);
  }
});

it('Slack hears the word it asks a new address to repeat, if it signed the question, and no run starts', async () => {
  const hook = await publishHook(api, { signature: { scheme: 'slack' } });
  const body = '{"type":"url_verification","challenge":"abc"}';
  expect((await send(hook, body)).status).toBe(401);
  const answer = await send(hook, body, signAs('slack', hook.secret, body));
  expect([answer.status, answer.body]).toEqual([200, { challenge: 'abc' }]);
  expect(await runsOf(api, hook)).toEqual([]);
});

it('W2: a new secret counts at the next request, and no answer shows one', async () => {
  const hook = await publishHook(api, { signature: { scheme: 'github' } });
  const secret = `canary-${newId()}`;
  const answer = await call(api, putHookSecret, { ...ofHook(hook), body: { secret } });
  expect([answer.status, answer.body]).toEqual([200, { ok: true }]);
  expect((await send(hook, '{}', signAs('github', hook.secret, '{}'))).status).toBe(401);
  expect((await send(hook, '{}', signAs('github', secret, '{}'))).status).toBe(202);
  expect((await call(api, getWorkflow, ofHook(hook))).text).not.toContain(secret);
});

describe('deliveries of one name', () => {
  it('T11: 20 at the same moment make one run, and a name is the workflow’s own', async () => {
    const [hook, other] = [await publishHook(api), await publishHook(api)];
    const headers = { 'idempotency-key': newId() };
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(hook, '{}', headers)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(202));
    expect(new Set(answers.map(({ body }) => body.deliveryId)).size).toBe(1);
    await send(other, '{}', headers);
    expect([await runsOf(api, hook), await runsOf(api, other)].map((runs) => runs.length)).toEqual([1, 1]);
  });

  it.each(['webhook-id', 'x-github-delivery', 'idempotency-key'])(
    'are known by %s without a signature',
    async (name) => {
      const hook = await publishHook(api);
      for (const id of ['1', '1', '2']) await send(hook, '{}', { [name]: id });
      expect(await runsOf(api, hook)).toHaveLength(2);
    },
  );

  it('without a name make a run each', async () => {
    const hook = await publishHook(api);
    for (let count = 0; count < 3; count += 1) await send(hook, '{}');
    expect(await runsOf(api, hook)).toHaveLength(3);
  });
});
