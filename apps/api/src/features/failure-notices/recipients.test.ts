import { closeDatabase, type Database } from '@millrace/db/connect';
import type { ReadMail } from '@millrace/mail/testing';
import { eventually } from '@millrace/queue/testing';
import * as contracts from '@millrace/shared/contracts/failure-notices';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, type Person, queryAsAdmin } from '../organizations/testing.ts';
import { addVerifiedMember, addWorkflow, connectWorker, failOneRun } from './testing.ts';

let api: TestApi;
let worker: Database;

beforeAll(async () => {
  api = await openTestApi();
  worker = connectWorker(api);
});
afterAll(async () => {
  await closeDatabase(worker);
  await api.close();
});

interface Org {
  orgId: string;
  owner: Person;
}
const inOrg = ({ orgId, owner }: Org) => ({ token: owner.token, params: { orgId } });
const choose = (org: Org, emails: string[]) =>
  call(api, contracts.putFailureNotices, { ...inOrg(org), body: { channel: 'email', emails } });
const told = async (org: Org) => (await call(api, contracts.getFailureNotices, inOrg(org))).body.settings.emails;
const noticesTo = async (...addresses: string[]): Promise<ReadMail[]> =>
  (await api.readMails()).filter(({ to, subject }) => addresses.includes(to) && subject.includes('failed'));

test('only confirmed addresses of members of this organization are accepted, and the answer names the others', async () => {
  const [org, other] = [await addOrganization(api), await addOrganization(api)];
  await addVerifiedMember(api, org.orgId, 'accepted@example.com');
  await addVerifiedMember(api, other.orgId, 'elsewhere@example.com');
  await addMember(api, org.orgId, 'admin', await addPerson(api, 'unconfirmed@example.com'));
  const disabled = await addVerifiedMember(api, org.orgId, 'disabled@example.com');
  await queryAsAdmin(api, 'UPDATE app.users SET disabled_at = now() WHERE id = $1', [disabled.id]);
  const strangers = ['elsewhere', 'unconfirmed', 'disabled', 'nobody'].map((name) => `${name}@example.com`);
  const refused = await choose(org, ['accepted@example.com', ...strangers]);
  expect(refused).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
  expect(refused.body.details).toEqual(
    strangers.map((_, index) => ({
      path: `emails.${index + 1}`,
      code: 'NOT_A_VERIFIED_MEMBER',
      message: expect.any(String),
    })),
  );
  expect(await told(org)).toEqual([]);
  expect((await choose(org, ['Accepted@Example.com'])).status).toBe(200);
  expect(await told(org)).toEqual(['accepted@example.com']);
});

test('somebody who is no member any more is told nothing more, whoever else is told', async () => {
  const org = await addOrganization(api);
  const [stays, leaves] = ['stays@example.com', 'leaves@example.com'];
  await addVerifiedMember(api, org.orgId, stays);
  const leaver = await addVerifiedMember(api, org.orgId, leaves);
  await choose(org, [stays, leaves]);
  await queryAsAdmin(api, 'DELETE FROM app.memberships WHERE user_id = $1', [leaver.id]);
  expect(await told(org)).toEqual([stays]);
  await failOneRun(api, worker, org.orgId, await addWorkflow(api, org.orgId));
  await eventually('the notice is told', () =>
    api.logLines.some(({ event, orgId }) => event === 'failure_notice_sent' && orgId === org.orgId),
  );
  expect((await noticesTo(stays, leaves)).map(({ to }) => to)).toEqual([stays]);
});

test('when nobody is left to be told, failures are forgotten and a test is refused', async () => {
  const org = await addOrganization(api);
  const last = await addVerifiedMember(api, org.orgId, 'last@example.com');
  await choose(org, ['last@example.com']);
  await queryAsAdmin(api, 'DELETE FROM app.memberships WHERE user_id = $1', [last.id]);
  await failOneRun(api, worker, org.orgId, await addWorkflow(api, org.orgId));
  const open = () => queryAsAdmin(api, 'SELECT 1 FROM app.failure_notices WHERE org_id = $1', [org.orgId]);
  await eventually('it is forgotten', async () => (await open()).length === 0);
  expect(await noticesTo('last@example.com')).toEqual([]);
  expect((await call(api, contracts.testFailureNotice, inOrg(org))).body.code).toBe('CONFLICT');
});
