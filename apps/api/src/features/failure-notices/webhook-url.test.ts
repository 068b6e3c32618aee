import * as contracts from '@millrace/shared/contracts/failure-notices';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';
import { type Receiver, startReceiver } from './testing.ts';
import { maskUrl } from './webhook-url.ts';

let api: TestApi;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
  api = await openTestApi({ EGRESS_ALLOW_CIDRS: receiver.egress });
});
afterAll(async () => {
  await api.close();
  await receiver.stop();
});

interface Org {
  orgId: string;
  owner: Person;
}
const inOrg = ({ orgId, owner }: Org) => ({ token: owner.token, params: { orgId } });
const put = (org: Org, url: string) =>
  call(api, contracts.putFailureNotices, { ...inOrg(org), body: { channel: 'webhook', url } });
const rowOf = async ({ orgId }: Org) => {
  const [row] = await queryAsAdmin<{ text: string; url: string | null; sealed: Buffer }>(
    api,
    `SELECT s::text AS text, webhook_url AS url, webhook_url_sealed AS sealed
     FROM app.failure_notice_settings s WHERE org_id = $1`,
    [orgId],
  );
  return row;
};

test.each([
  ['https://hooks.example.com/services/T0/B0/secret', 'https://hooks.example.com/***'],
  ['https://hooks.example.com/?token=secret', 'https://hooks.example.com/***'],
  ['https://hooks.example.com:8443/secret#part', 'https://hooks.example.com:8443/***'],
  ['https://hooks.example.com', 'https://hooks.example.com/'],
])('%s is shown as %s', (url, shown) => {
  expect(maskUrl(url)).toBe(shown);
});

test('T10: a URL is called as it was given, and neither a row nor an answer holds more than its origin', async () => {
  const org = await addOrganization(api);
  const chosen = await put(org, `${receiver.url}/services/CANARY-PATH?token=CANARY`);
  const shown = await call(api, contracts.getFailureNotices, inOrg(org));
  expect(shown.body.settings.webhookUrl).toBe(`${receiver.url}/***`);
  expect(chosen.text + shown.text).not.toContain('CANARY');
  const row = await rowOf(org);
  expect(row?.url).toBeNull();
  expect(row?.text).not.toContain('CANARY');
  expect(row?.sealed.includes('CANARY')).toBe(false);
  expect((await call(api, contracts.testFailureNotice, inOrg(org))).body.sent).toBe(true);
  expect(receiver.received.at(-1)?.path).toBe('/services/CANARY-PATH?token=CANARY');
});

test('a sealed URL that is moved to another organization opens there no more than with another server secret', async () => {
  const [mine, theirs] = [await addOrganization(api), await addOrganization(api)];
  await put(mine, `${receiver.url}/mine`);
  await put(theirs, `${receiver.url}/theirs`);
  await queryAsAdmin(api, 'UPDATE app.failure_notice_settings SET webhook_url_sealed = $2 WHERE org_id = $1', [
    theirs.orgId,
    (await rowOf(mine))?.sealed,
  ]);
  const moved = await call(api, contracts.testFailureNotice, inOrg(theirs));
  expect(moved.body).toMatchObject({ sent: false, error: expect.stringContaining('choose the webhook again') });
  const changed = await openDeps({ ...api.deps.config, AUTH_TOKEN_SECRET: 'x'.repeat(32) }, api.deps.log);
  const app = await buildApp(changed);
  const shown = await call({ ...api, app }, contracts.getFailureNotices, inOrg(mine));
  expect(shown.body.settings).toMatchObject({ channel: 'webhook', webhookUrl: null });
  await app.close();
  await closeDeps(changed);
  expect(receiver.received.map(({ path }) => path)).not.toContain('/mine');
});

test('a URL from before URLs were sealed still works, is shown masked, and is sealed when it is chosen again', async () => {
  const org = await addOrganization(api);
  await queryAsAdmin(
    api,
    `INSERT INTO app.failure_notice_settings (org_id, channel, webhook_url) VALUES ($1, 'webhook', $2)`,
    [org.orgId, `${receiver.url}/from-before`],
  );
  const shown = await call(api, contracts.getFailureNotices, inOrg(org));
  expect(shown.body.settings.webhookUrl).toBe(`${receiver.url}/***`);
  expect((await call(api, contracts.testFailureNotice, inOrg(org))).body.sent).toBe(true);
  expect(receiver.received.at(-1)?.path).toBe('/from-before');
  await put(org, `${receiver.url}/from-now`);
  expect(await rowOf(org)).toMatchObject({ url: null, sealed: expect.any(Buffer) });
});
