import * as contracts from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type CallResult,
  call,
  createOrg,
  openTestApi,
  signUpUser,
  type TestApi,
  type TestUser,
} from '../../testing.ts';

const VALID = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: 1 } }],
};

let api: TestApi;
let owner: TestUser;
let member: TestUser;
let orgId: string;

beforeAll(async () => {
  api = await openTestApi();
  [owner, member] = await Promise.all([signUpUser(api), signUpUser(api)]);
  orgId = await createOrg(api, owner, [[member, 'member']]);
});
afterAll(() => api.close());

async function create(dsl: Record<string, unknown> = VALID, name = 'A workflow') {
  const { body, status } = await call(api, contracts.createWorkflow, {
    params: { orgId },
    token: owner.token,
    body: { name, dsl },
  });
  expect(status).toBe(201);
  return body.workflow;
}

const asOwner = (workflowId: string, more: object = {}) => ({
  params: { orgId, workflowId, ...more },
  token: owner.token,
});

it('a draft may hold anything, and publishing names every problem with its path', async () => {
  const draft = { version: 'v2', trigger: { type: 'trigger.none' }, nodes: [{ id: '1', type: 'nothing', config: {} }] };
  const workflow = await create(draft);
  expect(workflow).toMatchObject({ status: 'draft', version: 0, revision: 1, dsl: draft, publishedDsl: null });
  const { status, body } = await call(api, contracts.publishWorkflow, asOwner(workflow.id));
  expect([status, body.code]).toEqual([422, 'WORKFLOW_INVALID']);
  expect(body.details?.map((detail) => detail.path)).toEqual(
    expect.arrayContaining(['trigger.type', 'nodes[0].id', 'nodes[0].type']),
  );
});

it('publishing freezes a version, later saves leave it alone, and restoring makes it the draft again', async () => {
  const { id } = await create();
  const published = await call(api, contracts.publishWorkflow, { ...asOwner(id), body: { note: 'first' } });
  expect(published.body.workflow).toMatchObject({ status: 'published', version: 1, hasUnpublishedChanges: false });
  const changed = { ...VALID, nodes: [{ id: 'two', type: 'transform', config: { value: 2 } }] };
  const saved = await call(api, contracts.updateWorkflow, { ...asOwner(id), body: { dsl: changed, revision: 1 } });
  expect(saved.body.workflow).toMatchObject({ revision: 2, publishedDsl: VALID, hasUnpublishedChanges: true });
  await call(api, contracts.publishWorkflow, asOwner(id));
  const list = await call(api, contracts.listVersions, { ...asOwner(id), query: { limit: '1' } });
  expect(list.body.versions).toMatchObject([{ version: 2, note: null }]);
  const next = await call(api, contracts.listVersions, {
    ...asOwner(id),
    query: { cursor: list.body.nextCursor ?? '' },
  });
  expect(next.body).toMatchObject({ versions: [{ version: 1, note: 'first' }], nextCursor: null });
  const first = await call(api, contracts.getVersion, asOwner(id, { version: 1 }));
  expect(first.body.version.dsl).toEqual(VALID);
  const restored = await call(api, contracts.restoreVersion, asOwner(id, { version: 1 }));
  expect(restored.body.workflow).toMatchObject({ dsl: VALID, revision: 3, version: 2, hasUnpublishedChanges: true });
});

it('of two editors with the same revision one saves and the other hears 409', async () => {
  const { id } = await create();
  const save = (name: string) => call(api, contracts.updateWorkflow, { ...asOwner(id), body: { name, revision: 1 } });
  const statuses = (await Promise.all([save('mine'), save('yours')])).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([200, 409]);
});

it('a new name does not count as an unpublished change of the document', async () => {
  const { id } = await create();
  await call(api, contracts.publishWorkflow, asOwner(id));
  const { body } = await call(api, contracts.updateWorkflow, { ...asOwner(id), body: { name: 'New', revision: 1 } });
  expect(body.workflow).toMatchObject({ name: 'New', revision: 2, hasUnpublishedChanges: false });
});

it('lists newest first in pages without gaps or doubles, and takes wildcards in a search literally', async () => {
  const label = `100%_${newId().slice(-6)}`;
  const ids: string[] = [];
  for (let index = 0; index < 5; index++) ids.push((await create(VALID, `${label} ${index}`)).id);
  await create(VALID, label.replace('%_', 'xx'));
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: Record<string, string> = { limit: '2', search: label, ...(cursor && { cursor }) };
    const { body, status }: CallResult<typeof contracts.listWorkflows> = await call(api, contracts.listWorkflows, {
      ...asOwner('unused'),
      query,
    });
    expect(status).toBe(200);
    seen.push(...body.workflows.map((workflow) => workflow.id));
    cursor = body.nextCursor;
  } while (cursor);
  expect(seen).toEqual(ids.toReversed());
});

it('duplicates the draft under a name of its own', async () => {
  const { id } = await create();
  const { status, body } = await call(api, contracts.duplicateWorkflow, asOwner(id));
  expect(status).toBe(201);
  expect(body.workflow).toMatchObject({ name: 'A workflow (copy)', dsl: VALID, status: 'draft' });
  expect(body.workflow.id).not.toBe(id);
});

it('a member reads but neither writes nor publishes', async () => {
  const { id } = await create();
  const asMember = { params: { orgId, workflowId: id }, token: member.token };
  expect((await call(api, contracts.getWorkflow, asMember)).status).toBe(200);
  for (const contract of [contracts.publishWorkflow, contracts.deleteWorkflow, contracts.disableWorkflow]) {
    const { status, body } = await call(api, contract, asMember);
    expect([contract.id, status, body.code]).toEqual([contract.id, 403, 'FORBIDDEN']);
  }
});

it("another organization's workflow answers exactly like one that does not exist", async () => {
  const { id } = await create();
  const stranger = await signUpUser(api);
  const theirOrg = await createOrg(api, stranger);
  const answers = await Promise.all(
    [id, newId()].map((workflowId) =>
      call(api, contracts.getWorkflow, { params: { orgId: theirOrg, workflowId }, token: stranger.token }),
    ),
  );
  const comparable = answers.map(({ status, body }) => ({ status, code: body.code, message: body.message }));
  expect(comparable[0]).toEqual(comparable[1]);
  expect(comparable[0]).toMatchObject({ status: 404, code: 'NOT_FOUND' });
});
